package transport

import (
	"bytes"
	"math"
	"time"

	"github.com/quorate/quorate/command"
	"github.com/quorate/quorate/fsm"
	"github.com/quorate/quorate/security"
)

const connFlags = command.NoScript | command.Loading | command.Stale | command.Fast | command.NoAuth | command.AllowBusy

func connectionCommands() []*Command {
	spec := func(name string, arity int, flags command.Flags, since, summary, syntax string) command.Spec {
		return command.Spec{Name: name, Arity: arity, Flags: flags, ACL: command.Connection, Group: "connection",
			Since: since, Summary: summary, Complexity: "O(1)", Syntax: syntax}
	}
	ping := spec("PING", -1, command.Fast, "1.0.0", "Answers PONG, or the message.", "[message]")
	ping.Tips = []string{"request_policy:all_shards", "response_policy:all_succeeded"}
	auth := spec("AUTH", -2, connFlags, "1.0.0", "Authenticates the connection.", "[username] password")
	auth.Complexity = "O(N) where N is the number of passwords defined for the user"
	return []*Command{
		{Run: pingCmd, Pure: true, Spec: ping},
		{Run: echo, Pure: true, Spec: spec("ECHO", 2, command.Loading|command.Stale|command.Fast, "1.0.0",
			"Answers the message.", "message")},
		{Run: quit, Spec: spec("QUIT", -1, connFlags, "1.0.0", "Closes the connection.", "")},
		{Run: reset, Spec: spec("RESET", 1, connFlags, "6.2.0", "Puts the connection into the state of a new one.", "")},
		{Run: selectDB, Pure: true, Spec: spec("SELECT", 2, command.Loading|command.Stale|command.Fast, "1.0.0",
			"Changes the database of the connection.", "index")},
		{Run: hello, Spec: spec("HELLO", -1, connFlags, "6.0.0", "Agrees on the protocol and describes the server.",
			"[protover [AUTH username password] [SETNAME clientname]]")},
		{Run: authCmd, Spec: auth},
		{Run: timeCmd, Pure: true, Spec: command.Spec{Name: "TIME", Arity: 1,
			Flags: command.Loading | command.Stale | command.Fast, Group: "server", Since: "2.6.0", Complexity: "O(1)",
			Summary: "Returns the server's time.", Tips: []string{"nondeterministic_output"}}},
	}
}

// pingCmd implements PING [message].
func pingCmd(s *Session, args [][]byte) {
	if notSaved := s.srv.opts.NotSaved; notSaved != nil && notSaved() {
		s.Error(fsm.NotSaved.Reply())
		return
	}
	if s.Proto == 2 && s.subs.any() && len(args) <= 2 {
		s.Array(2)
		s.BulkString("pong")
		s.BulkString(string(bytes.Join(args[1:], nil)))
		return
	}
	switch len(args) {
	case 1:
		s.Simple("PONG")
	case 2:
		s.Bulk(args[1])
	default:
		s.Error("ERR wrong number of arguments for 'ping' command")
	}
}

// echo implements ECHO message.
func echo(s *Session, args [][]byte) { s.Bulk(args[1]) }

// quit implements QUIT.
func quit(s *Session, args [][]byte) {
	s.OK()
	s.ending = true
}

// reset implements RESET.
func reset(s *Session, args [][]byte) {
	s.unwatch()
	s.dropTx()
	s.leaveAll()
	s.drain()
	s.settings = settings{noEvict: s.noEvict}
	s.setProto(2)
	s.discard(false)
	s.replyOff, s.skipNext = false, false
	s.beDefault()
	s.Simple("RESET")
}

// selectDB implements SELECT index. Commands that wait in the unit carry their
// database with them.
func selectDB(s *Session, args [][]byte) {
	n, ok := parseLength(args[1])
	switch {
	case !ok:
		s.Error(errNotInteger)
	case n < math.MinInt32 || n > math.MaxInt32:
		s.Error("ERR value is out of range, value must between -2147483648 and 2147483647")
	case n != 0 && s.srv.opts.Router.Cluster():
		s.Error("ERR SELECT is not allowed in cluster mode")
	case n < 0 || n >= int64(s.srv.opts.Databases):
		s.Error("ERR DB index is out of range")
	default:
		s.db = int(n)
		s.OK()
	}
}

// timeCmd implements TIME.
func timeCmd(s *Session, args [][]byte) {
	now := time.Now().UnixMicro()
	s.Array(2)
	s.BulkInt(now / 1e6)
	s.BulkInt(now % 1e6)
}

// authCmd implements AUTH [username] password.
func authCmd(s *Session, args [][]byte) {
	name, password := []byte(security.DefaultName), args[1]
	switch {
	case len(args) > 3:
		s.Error(errSyntax)
		return
	case len(args) == 3:
		name, password = args[1], args[2]
	case s.srv.users.Default().Rules().NoPass():
		s.Error("ERR AUTH <password> called without any password configured for the default user. Are you sure your configuration is correct?")
		return
	}
	if !s.login(name, password, args[0]) {
		s.Error(errWrongPass)
		return
	}
	s.OK()
}

// hello implements HELLO [protover [AUTH username password] [SETNAME clientname]].
func hello(s *Session, args [][]byte) {
	version := int64(0)
	if len(args) > 1 {
		var ok bool
		if version, ok = parseLength(args[1]); !ok {
			s.Error("ERR Protocol version is not an integer or out of range")
			return
		}
		if version < 2 || version > 3 {
			s.Error("NOPROTO unsupported protocol version")
			return
		}
	}
	var user, password, name []byte
	named := false
	for i := 2; i < len(args); i++ {
		left := len(args) - 1 - i
		switch {
		case bytes.EqualFold(args[i], []byte("AUTH")) && left >= 2:
			user, password = args[i+1], args[i+2]
			i += 2
		case bytes.EqualFold(args[i], []byte("SETNAME")) && left >= 1:
			name, named = args[i+1], true
			i++
			if !validName(name) {
				s.Error(errClientName)
				return
			}
		default:
			s.Error("ERR Syntax error in HELLO option '" + cString(args[i], len(args[i])) + "'")
			return
		}
	}
	if user != nil && !s.login(user, password, args[0]) {
		s.Error(errWrongPass)
		return
	}
	if !s.authenticated {
		s.Error("NOAUTH HELLO must be called with the client already authenticated, otherwise the HELLO <proto> AUTH <user> <pass> option can be used to authenticate the client and select the RESP protocol version at the same time")
		return
	}
	if named {
		s.name = string(name)
	}
	if version > 0 {
		s.setProto(int(version))
	}
	s.Map(7)
	s.BulkString("server")
	s.BulkString("redis")
	s.BulkString("version")
	s.BulkString(s.srv.opts.Version)
	s.BulkString("proto")
	s.Int(int64(s.Proto))
	s.BulkString("id")
	s.Int(s.id)
	s.BulkString("mode")
	if s.srv.opts.Router.Cluster() {
		s.BulkString("cluster")
	} else {
		s.BulkString("standalone")
	}
	s.BulkString("role")
	s.BulkString("master")
	s.BulkString("modules")
	s.Array(0)
}
