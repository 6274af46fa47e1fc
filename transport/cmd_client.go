package transport

import (
	"bytes"
	"slices"
	"strings"

	"github.com/quorate/quorate/command"
	"github.com/quorate/quorate/security"
)

const errClientName = "ERR Client names cannot contain spaces, newlines or special characters."

const killOptions = "[ID client-id] | [TYPE <NORMAL | MASTER | SLAVE | REPLICA | PUBSUB>] | [USER username] | [ADDR ip:port] | [LADDR ip:port] | [SKIPME yes/no]"

func clientCommand() *Command {
	const plain = command.NoScript | command.Loading | command.Stale
	sub := func(name string, arity int, flags command.Flags, since, summary, syntax string, pure bool, run func(*Session, [][]byte)) *Command {
		return &Command{Run: run, Pure: pure, Spec: command.Spec{Name: name, Arity: arity, Flags: flags,
			ACL: command.Connection, Group: "connection", Since: since, Summary: summary, Complexity: "O(1)", Syntax: syntax}}
	}
	admin := plain | command.Admin
	list := sub("LIST", -2, admin, "2.4.0", "Lists the connections.",
		"[TYPE <NORMAL | MASTER | REPLICA | PUBSUB>] [ID client-id [client-id ...]]", false, clientList)
	list.Complexity, list.Tips = "O(N) where N is the number of client connections", []string{"nondeterministic_output"}
	info := sub("INFO", 2, plain, "6.2.0", "Describes the connection.", "", true, clientInfo)
	info.Tips = list.Tips
	kill := sub("KILL", -3, admin, "2.4.0", "Closes connections.",
		"<ip:port | <"+killOptions+"> ["+killOptions+" ...]>",
		false, clientKill)
	kill.Complexity = list.Complexity
	return &Command{
		Spec: command.Spec{Name: "CLIENT", Arity: -2, Group: "connection", Since: "2.4.0",
			Summary: "Commands about connections.", Complexity: "Depends on subcommand."},
		Sub: []*Command{
			sub("ID", 2, plain, "5.0.0", "Returns the number of the connection.", "", true,
				func(s *Session, _ [][]byte) { s.Int(s.id) }),
			sub("GETNAME", 2, plain, "2.6.9", "Returns the name of the connection.", "", true, clientGetName),
			sub("SETNAME", 3, plain, "2.6.9", "Names the connection.", "connection-name", true, clientSetName),
			list, info, kill,
			sub("REPLY", 3, plain, "3.2.0", "Turns replies on or off.", "<ON | OFF | SKIP>", false, clientReply),
			sub("NO-EVICT", 3, admin, "7.0.0", "Protects the connection from eviction of clients.", "<ON | OFF>", true, clientNoEvict),
			sub("HELP", 2, command.Loading|command.Stale, "5.0.0", "Explains the subcommands.", "", true,
				func(s *Session, _ [][]byte) { s.Help("CLIENT", clientHelp) }),
			sub("GETREDIR", 2, plain, "6.0.0", "Returns the connection that is told of changed keys instead.", "", true, clientGetRedir),
			sub("CACHING", 3, plain, "6.0.0", "Says whether the keys of the next command are tracked.", "<YES | NO>", true, clientCaching),
			sub("TRACKING", -3, plain, "6.0.0", "Turns messages about changed keys on or off.",
				"<ON | OFF> [REDIRECT client-id] [PREFIX prefix [PREFIX prefix ...]] [BCAST] [OPTIN] [OPTOUT] [NOLOOP]", false, clientTracking),
			sub("TRACKINGINFO", 2, plain, "6.2.0", "Describes the tracking of the connection.", "", true, clientTrackingInfo),
			sub("PAUSE", -3, admin, "2.9.50", "Makes clients wait with their commands.", "timeout [WRITE | ALL]", false, clientPause),
			sub("UNPAUSE", 2, admin, "6.2.0", "Ends CLIENT PAUSE.", "", false, clientUnpause),
			sub("UNBLOCK", -3, admin, "5.0.0", "Ends the wait of another connection's blocking command.", "client-id [TIMEOUT | ERROR]", false, clientUnblock),
		},
	}
}

var clientHelp = []string{
	"CACHING (YES|NO)",
	"    Say whether the keys of the next command are tracked (OPTIN and OPTOUT).",
	"GETREDIR",
	"    Return the number of the connection that is told of changed keys instead.",
	"GETNAME",
	"    Return the name of the connection.",
	"ID",
	"    Return the number of the connection.",
	"INFO",
	"    Describe the connection.",
	"KILL <ip:port>",
	"    Close the connection from that address.",
	"KILL <option> <value> [<option> <value> [...]]",
	"    Close all connections that meet all options:",
	"    * ID <client-id>, TYPE (NORMAL|MASTER|REPLICA|PUBSUB), USER <username>,",
	"      ADDR <ip:port>, LADDR <ip:port>; SKIPME (YES|NO) spares this one (default: yes).",
	"LIST [TYPE (NORMAL|MASTER|REPLICA|PUBSUB)] [ID <client-id> [<client-id> ...]]",
	"    Describe connections.",
	"NO-EVICT (ON|OFF)",
	"    Protect the connection from eviction of clients.",
	"PAUSE <timeout> [WRITE|ALL]",
	"    Have clients wait with all commands, or those that write, for <timeout> milliseconds.",
	"REPLY (ON|OFF|SKIP)",
	"    Turn the replies to this connection on or off.",
	"SETNAME <name>",
	"    Name the connection.",
	"UNPAUSE",
	"    End the pause.",
	"UNBLOCK <client-id> [TIMEOUT|ERROR]",
	"    End the wait of a connection's blocking command.",
	"TRACKING (ON|OFF) [REDIRECT <id>] [BCAST] [PREFIX <prefix> [...]]",
	"         [OPTIN] [OPTOUT] [NOLOOP]",
	"    Turn messages about changed keys on or off.",
	"TRACKINGINFO",
	"    Describe the tracking of the connection.",
}

// Help replies to a HELP subcommand in Redis's form: a heading, the lines, and
// HELP itself.
func (s *Session) Help(container string, lines []string) {
	s.Array(len(lines) + 3)
	s.Simple(container + " <subcommand> [<arg> [value] [opt] ...]. Subcommands are:")
	for _, l := range lines {
		s.Simple(l)
	}
	s.Simple("HELP")
	s.Simple("    Print this help.")
}

// notYet refuses a subcommand of CLIENT that Redis has and this release hasn't.
func notYet(s *Session, args [][]byte) {
	s.Error("ERR CLIENT " + strings.ToUpper(string(args[1])) + " is not supported by this release")
}

// clientGetName implements CLIENT GETNAME.
func clientGetName(s *Session, _ [][]byte) {
	if s.name == "" {
		s.Null()
		return
	}
	s.BulkString(s.name)
}

// clientSetName implements CLIENT SETNAME connection-name.
func clientSetName(s *Session, args [][]byte) {
	if !validName(args[2]) {
		s.Error(errClientName)
		return
	}
	s.name = string(args[2])
	s.OK()
}

// validName reports whether a connection may have the name: it must not break
// the format of CLIENT LIST.
func validName(name []byte) bool {
	for _, c := range name {
		if c < '!' || c > '~' {
			return false
		}
	}
	return true
}

// clientReply implements CLIENT REPLY ON|OFF|SKIP.
func clientReply(s *Session, args [][]byte) {
	switch {
	case bytes.EqualFold(args[2], []byte("ON")):
		s.discard(false)
		s.replyOff = false
		s.OK()
	case bytes.EqualFold(args[2], []byte("OFF")):
		s.discard(true)
		s.replyOff = true
	case bytes.EqualFold(args[2], []byte("SKIP")):
		s.skipNext = !s.replyOff
	default:
		s.Error(errSyntax)
	}
}

// clientNoEvict implements CLIENT NO-EVICT ON|OFF. Clients aren't evicted, so it
// only shows in CLIENT LIST.
func clientNoEvict(s *Session, args [][]byte) {
	switch {
	case bytes.EqualFold(args[2], []byte("ON")):
		s.noEvict = true
	case bytes.EqualFold(args[2], []byte("OFF")):
		s.noEvict = false
	default:
		s.Error(errSyntax)
		return
	}
	s.OK()
}

// clientInfo implements CLIENT INFO.
func clientInfo(s *Session, _ [][]byte) {
	s.publish(false)
	s.Verbatim("txt", string(s.describe(nil)))
}

// clientList implements CLIENT LIST [TYPE type] [ID id [id ...]].
func clientList(s *Session, args [][]byte) {
	sessions := slices.DeleteFunc(s.srv.sessions.all(), func(c *Session) bool { return c.killed.Load() })
	switch {
	case len(args) == 2:
	case len(args) == 4 && bytes.EqualFold(args[2], []byte("TYPE")):
		kind, ok := clientType(args[3])
		if !ok {
			s.Error("ERR Unknown client type '" + cString(args[3], len(args[3])) + "'")
			return
		}
		sessions = slices.DeleteFunc(sessions, func(c *Session) bool { return c.kind() != kind })
	case len(args) > 3 && bytes.EqualFold(args[2], []byte("ID")):
		sessions = nil
		for _, a := range args[3:] {
			id, ok := parseLength(a)
			if !ok {
				s.Error("ERR Invalid client ID")
				return
			}
			if c := s.srv.sessions.find(id); c != nil {
				sessions = append(sessions, c)
			}
		}
	default:
		s.Error(errSyntax)
		return
	}
	s.publish(false)
	var text []byte
	for _, c := range sessions {
		text = c.describe(text)
	}
	s.Verbatim("txt", string(text))
}

const (
	typeNormal = iota
	typeReplica
	typePubSub
	typeMaster
)

// kind returns the session's type in CLIENT LIST and CLIENT KILL. Safe for
// concurrent use.
func (s *Session) kind() int {
	if s.following.Load() {
		return typeReplica
	}
	if s.subs.any() {
		return typePubSub
	}
	return typeNormal
}

func clientType(name []byte) (int, bool) {
	switch strings.ToLower(string(name)) {
	case "normal":
		return typeNormal, true
	case "slave", "replica":
		return typeReplica, true
	case "pubsub":
		return typePubSub, true
	case "master":
		return typeMaster, true
	}
	return 0, false
}

// killFilter is what CLIENT KILL's options ask for; zero fields ask for nothing.
type killFilter struct {
	id          int64
	kind        int
	hasKind     bool
	addr, laddr *string // nil: any; "" is nobody's
	user        *security.User
	skipMe      bool
}

func (f *killFilter) matches(c *Session) bool {
	return (f.id == 0 || f.id == c.id) && (!f.hasKind || f.kind == c.kind()) &&
		(f.addr == nil || *f.addr == c.addr) && (f.laddr == nil || *f.laddr == c.laddr) &&
		(f.user == nil || f.user == c.User())
}

// clientKill implements both forms of CLIENT KILL.
func clientKill(s *Session, args [][]byte) {
	old := len(args) == 3
	f := killFilter{skipMe: true}
	if old {
		f.addr, f.skipMe = new(string(args[2])), false
	} else if !s.parseKill(args[2:], &f) {
		return
	}
	killed, self := int64(0), false
	for _, c := range s.srv.sessions.all() {
		if !f.matches(c) || c == s && f.skipMe {
			continue
		}
		killed++
		if c == s {
			self = true
		} else {
			c.kill()
		}
	}
	switch {
	case !old:
		s.Int(killed)
	case killed == 0:
		s.Error("ERR No such client")
	default:
		s.OK()
	}
	if self {
		s.ending = true
	}
}

func (s *Session) parseKill(args [][]byte, f *killFilter) bool {
	for i := 0; i < len(args); i += 2 {
		if i+1 == len(args) {
			s.Error(errSyntax)
			return false
		}
		value := args[i+1]
		switch strings.ToUpper(string(args[i])) {
		case "ID":
			id, ok := parseLength(value)
			if !ok || id < 1 {
				s.Error("ERR client-id should be greater than 0")
				return false
			}
			f.id = id
		case "TYPE":
			kind, ok := clientType(value)
			if !ok {
				s.Error("ERR Unknown client type '" + cString(value, len(value)) + "'")
				return false
			}
			f.kind, f.hasKind = kind, true
		case "ADDR":
			f.addr = new(string(value))
		case "LADDR":
			f.laddr = new(string(value))
		case "USER":
			if f.user = s.srv.users.Find(string(value)); f.user == nil {
				s.Error("ERR No such user '" + cString(value, len(value)) + "'")
				return false
			}
		case "SKIPME":
			switch strings.ToLower(string(value)) {
			case "yes":
				f.skipMe = true
			case "no":
				f.skipMe = false
			default:
				s.Error(errSyntax)
				return false
			}
		default:
			s.Error(errSyntax)
			return false
		}
	}
	return true
}
