package admin

import (
	"crypto/rand"
	"encoding/hex"
	"strconv"
	"strings"

	"github.com/quorate/quorate/command"
	"github.com/quorate/quorate/transport"
)

// aclCommand is ACL as far as it is true of a server whose only user is
// default, who may do everything without a password. Whatever would change
// that is refused.
func (a *Admin) aclCommand() *transport.Command {
	const plain = command.NoScript | command.Loading | command.Stale
	sub := func(name string, arity int, flags command.Flags, syntax, complexity, summary string, run func(*transport.Session, [][]byte)) *transport.Command {
		return &transport.Command{Run: run, Spec: command.Spec{Name: name, Arity: arity, Flags: flags, Group: "server", Since: "6.0.0",
			Syntax: syntax, Complexity: complexity, Summary: summary}}
	}
	const admin = plain | command.Admin
	dryrun := sub("DRYRUN", -4, admin, "username command [arg [arg ...]]", "O(1)", "Tells whether a user may run a command.", aclDryrun)
	dryrun.Since = "7.0.0"
	return &transport.Command{
		Spec: command.Spec{Name: "ACL", Arity: -2, Group: "server", Since: "6.0.0", Complexity: "That of the subcommand.",
			Summary: "A container of the commands about users."},
		Sub: []*transport.Command{
			sub("CAT", -2, plain, "[categoryname]", "O(1)", "Lists the categories, or the commands of one.", aclCat),
			sub("DELUSER", -3, admin, "username [username ...]", "O(1)", "Deletes users.", aclDelUser),
			dryrun,
			sub("GENPASS", -2, plain, "[bits]", "O(1)", "Returns a random password.", aclGenpass),
			sub("GETUSER", 3, admin, "username", "O(N), N: rules of the user", "Returns a user's rules.", aclGetUser),
			sub("LIST", 2, admin, "", "O(N), N: users", "Returns all users' rules as in a file.", aclList),
			sub("LOAD", 2, admin, "", "O(N), N: users", "Reads the users from the ACL file.", aclNoFile),
			sub("LOG", -2, admin, "[count | RESET]", "O(N), N: entries returned", "Returns what was refused.", aclLog),
			sub("SAVE", 2, admin, "", "O(N), N: users", "Writes the users into the ACL file.", aclNoFile),
			sub("SETUSER", -3, admin, "username [rule [rule ...]]", "O(N), N: rules", "Changes a user's rules.", aclSetUser),
			sub("USERS", 2, admin, "", "O(N), N: users", "Lists the users' names.", func(s *transport.Session, _ [][]byte) {
				s.Array(1)
				s.BulkString(defaultUser)
			}),
			sub("WHOAMI", 2, plain, "", "O(1)", "Returns the connection's user.", func(s *transport.Session, _ [][]byte) { s.BulkString(defaultUser) }),
			{Run: aclHelp, Spec: helpSpec("server", "6.0.0", command.Loading|command.Stale)},
		},
	}
}

const defaultUser = "default"

// aclKeeps are the rules that leave the default user as it is.
var aclKeeps = map[string]bool{"on": true, "nopass": true, "~*": true, "&*": true, "+@all": true, "allkeys": true,
	"allchannels": true, "allcommands": true, "skip-sanitize-payload": true, "clearselectors": true}

func aclSetUser(s *transport.Session, args [][]byte) {
	if string(args[2]) != defaultUser {
		s.Error("ERR ACL SETUSER is not supported by this release: the only user is default")
		return
	}
	for _, rule := range args[3:] {
		if !aclKeeps[strings.ToLower(string(rule))] {
			s.Error("ERR ACL SETUSER is not supported by this release: the default user may do everything, without a password")
			return
		}
	}
	s.OK()
}

func aclDelUser(s *transport.Session, args [][]byte) {
	for _, name := range args[2:] {
		if string(name) == defaultUser {
			s.Error("ERR The 'default' user cannot be removed")
			return
		}
	}
	s.Int(0)
}

func aclList(s *transport.Session, _ [][]byte) {
	s.Array(1)
	s.BulkString("user default on nopass ~* &* +@all")
}

func aclGetUser(s *transport.Session, args [][]byte) {
	if string(args[2]) != defaultUser {
		s.Null()
		return
	}
	s.Map(6)
	s.BulkString("flags")
	s.Set(2)
	s.BulkString("on")
	s.BulkString("nopass")
	s.BulkString("passwords")
	s.Array(0)
	for _, pair := range [][2]string{{"commands", "+@all"}, {"keys", "~*"}, {"channels", "&*"}} {
		s.BulkString(pair[0])
		s.BulkString(pair[1])
	}
	s.BulkString("selectors")
	s.Array(0)
}

func aclNoFile(s *transport.Session, _ [][]byte) {
	s.Error("ERR This Redis instance is not configured to use an ACL file. You may want to specify users via the ACL SETUSER command and then issue a CONFIG REWRITE " +
		"(assuming you have a Redis configuration file set) in order to store users in the Redis configuration.")
}

func unknownSub(s *transport.Session, container string, sub []byte) {
	s.Error("ERR unknown subcommand or wrong number of arguments for '" + string(sub) + "'. Try " + container + " HELP.")
}

func aclCat(s *transport.Session, args [][]byte) {
	if len(args) > 3 {
		unknownSub(s, "ACL", args[1])
		return
	}
	all := ^command.Categories(0)
	names := all.Names()
	if len(args) == 2 {
		s.Array(len(names))
		for _, name := range names {
			s.BulkString(name)
		}
		return
	}
	for bit, name := range names {
		if word(args[2], name) {
			commandsIn(s, 1<<bit)
			return
		}
	}
	s.Error("ERR Unknown category '" + string(args[2]) + "'")
}

func commandsIn(s *transport.Session, category command.Categories) {
	var found []string
	for _, n := range s.Server().Table().All() {
		if n.Spec.Categories()&category != 0 {
			found = append(found, n.Spec.FullName())
		}
		for _, sub := range n.Spec.Subs {
			if sub.Categories()&category != 0 {
				found = append(found, sub.FullName())
			}
		}
	}
	s.Array(len(found))
	for _, name := range found {
		s.BulkString(name)
	}
}

func aclDryrun(s *transport.Session, args [][]byte) {
	if string(args[2]) != defaultUser {
		s.Error("ERR User '" + string(args[2]) + "' not found")
		return
	}
	n := s.Server().Table().Find(args[3])
	if n != nil && n.IsContainer() && len(args) > 4 {
		n = n.Sub(args[4])
	}
	if n == nil {
		s.Error("ERR Command '" + string(args[3]) + "' not found")
		return
	}
	if !n.Spec.ArityOK(len(args) - 3) {
		s.Error("ERR wrong number of arguments for '" + n.Spec.FullName() + "' command")
		return
	}
	s.OK()
}

func aclGenpass(s *transport.Session, args [][]byte) {
	bits := int64(256)
	if len(args) > 3 {
		unknownSub(s, "ACL", args[1])
		return
	}
	if len(args) == 3 {
		n, err := strconv.ParseInt(string(args[2]), 10, 64)
		if err != nil {
			s.Error("ERR value is not an integer or out of range")
			return
		}
		if n <= 0 || n > 4096 {
			s.Error("ERR ACL GENPASS argument must be the number of bits for the output password, a positive number up to 4096")
			return
		}
		bits = n
	}
	secret := make([]byte, 512)
	_, _ = rand.Read(secret) // never fails (crypto/rand)
	s.BulkString(hex.EncodeToString(secret)[:(bits+3)/4])
}

// aclLog implements ACL LOG: nothing is ever refused for want of permission.
func aclLog(s *transport.Session, args [][]byte) {
	switch {
	case len(args) > 3:
		unknownSub(s, "ACL", args[1])
	case len(args) == 3 && word(args[2], "RESET"):
		s.OK()
	default:
		if len(args) == 3 {
			if _, err := strconv.ParseInt(string(args[2]), 10, 64); err != nil {
				s.Error("ERR value is not an integer or out of range")
				return
			}
		}
		s.Array(0)
	}
}

func aclHelp(s *transport.Session, _ [][]byte) {
	help(s, "ACL",
		"CAT [<category>]", "    List the categories, or the commands of one.",
		"DELUSER <username> [<username> ...]", "    Delete users; there is only the default one.",
		"DRYRUN <username> <command> [<arg> ...]", "    Tell whether a user may run a command.",
		"GENPASS [<bits>]", "    Return a random password (256 bits).",
		"GETUSER <username>", "    Return a user's rules.",
		"LIST", "    Return all users' rules as in a file.",
		"LOG [<count> | RESET]", "    Return what was refused.",
		"SETUSER <username> <attribute> [<attribute> ...]", "    Not supported by this release, but for what changes nothing.",
		"USERS", "    List the users' names.",
		"WHOAMI", "    Return the connection's user.")
}
