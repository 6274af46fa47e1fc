package admin

import (
	"crypto/rand"
	"encoding/hex"
	"strconv"
	"time"

	"github.com/quorate/quorate/command"
	"github.com/quorate/quorate/security"
	"github.com/quorate/quorate/transport"
)

// aclCommand is ACL.
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
			sub("DELUSER", -3, admin, "username [username ...]", "O(1)", "Deletes users.", a.aclDelUser),
			dryrun,
			sub("GENPASS", -2, plain, "[bits]", "O(1)", "Returns a random password.", aclGenpass),
			sub("GETUSER", 3, admin, "username", "O(N), N: rules of the user", "Returns a user's rules.", aclGetUser),
			sub("LIST", 2, admin, "", "O(N), N: users", "Returns all users' rules as in a file.", aclList),
			sub("LOAD", 2, admin, "", "O(N), N: users", "Reads the users from the ACL file.", a.aclLoad),
			sub("LOG", -2, admin, "[count | RESET]", "O(N), N: entries returned", "Returns what was refused.", aclLog),
			sub("SAVE", 2, admin, "", "O(N), N: users", "Writes the users into the ACL file.", a.aclSave),
			sub("SETUSER", -3, admin, "username [rule [rule ...]]", "O(N), N: rules", "Changes a user's rules.", a.aclSetUser),
			sub("USERS", 2, admin, "", "O(N), N: users", "Lists the users' names.", aclUsers),
			sub("WHOAMI", 2, plain, "", "O(1)", "Returns the connection's user.",
				func(s *transport.Session, _ [][]byte) { s.BulkString(s.User().Name) }),
			{Run: aclHelp, Spec: helpSpec("server", "6.0.0", command.Loading|command.Stale)},
		},
	}
}

// aclSetUser implements ACL SETUSER username [rule [rule ...]].
func (a *Admin) aclSetUser(s *transport.Session, args [][]byte) {
	name, rules := string(args[2]), texts(args[3:])
	_, err := a.changeUsers(s.Server(), s, func(u *security.Users) (security.Change, error) { return u.Set(name, rules) })
	if err != nil {
		userError(s, err)
		return
	}
	s.OK()
}

// aclDelUser implements ACL DELUSER username [username ...].
func (a *Admin) aclDelUser(s *transport.Session, args [][]byte) {
	names := texts(args[2:])
	change, err := a.changeUsers(s.Server(), s, func(u *security.Users) (security.Change, error) { return u.Delete(names) })
	if err != nil {
		userError(s, err)
		return
	}
	s.Int(int64(len(change.Gone)))
}

// aclUsers implements ACL USERS.
func aclUsers(s *transport.Session, _ [][]byte) {
	all := s.Server().Users().All()
	s.Array(len(all))
	for _, u := range all {
		s.BulkString(u.Name)
	}
}

// aclList implements ACL LIST.
func aclList(s *transport.Session, _ [][]byte) {
	all := s.Server().Users().All()
	s.Array(len(all))
	for _, u := range all {
		s.BulkString(u.Line())
	}
}

// aclGetUser implements ACL GETUSER username.
func aclGetUser(s *transport.Session, args [][]byte) {
	u := s.Server().Users().Find(string(args[2]))
	if u == nil {
		s.Null()
		return
	}
	rules := u.Rules()
	flags, passwords := rules.Flags(), rules.Passwords()
	root, others := rules.Selectors()
	s.Map(6)
	s.BulkString("flags")
	s.Set(len(flags))
	for _, f := range flags {
		s.BulkString(f)
	}
	s.BulkString("passwords")
	s.Array(len(passwords))
	for _, p := range passwords {
		s.BulkString(p)
	}
	writeSelector(s, root)
	s.BulkString("selectors")
	s.Array(len(others))
	for _, o := range others {
		s.Map(3)
		writeSelector(s, o)
	}
}

func writeSelector(s *transport.Session, sel security.Selector) {
	for _, pair := range [][2]string{{"commands", sel.Commands}, {"keys", sel.Keys}, {"channels", sel.Channels}} {
		s.BulkString(pair[0])
		s.BulkString(pair[1])
	}
}

func unknownSub(s *transport.Session, container string, sub []byte) {
	s.Error("ERR unknown subcommand or wrong number of arguments for '" + string(sub) + "'. Try " + container + " HELP.")
}

// aclCat implements ACL CAT [category].
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

// aclDryrun implements ACL DRYRUN username command [arg [arg ...]].
func aclDryrun(s *transport.Session, args [][]byte) {
	u := s.Server().Users().Find(string(args[2]))
	if u == nil {
		s.Error("ERR User '" + string(args[2]) + "' not found")
		return
	}
	spec := s.Server().Users().Commands.Find(args[3:])
	if spec == nil {
		s.Error("ERR Command '" + string(args[3]) + "' not found")
		return
	}
	if !spec.ArityOK(len(args) - 3) {
		s.Error("ERR wrong number of arguments for '" + spec.FullName() + "' command")
		return
	}
	d := u.Rules().Check(spec, args[3:])
	if d.Reason == security.Allowed {
		s.OK()
		return
	}
	s.BulkString(d.Text(spec, args[3:]))
}

// aclGenpass implements ACL GENPASS [bits].
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

// aclLog implements ACL LOG [count | RESET].
func aclLog(s *transport.Session, args [][]byte) {
	log := &s.Server().Users().Log
	count := int64(10)
	switch {
	case len(args) > 3:
		unknownSub(s, "ACL", args[1])
		return
	case len(args) == 3 && word(args[2], "RESET"):
		log.Reset()
		s.OK()
		return
	case len(args) == 3:
		n, err := strconv.ParseInt(string(args[2]), 10, 64)
		if err != nil {
			s.Error("ERR value is not an integer or out of range")
			return
		}
		count = max(n, 0)
	}
	entries, now := log.Entries(count), time.Now()
	s.Array(len(entries))
	for _, e := range entries {
		s.Map(7)
		s.BulkString("count")
		s.Int(e.Count)
		for _, pair := range [][2]string{{"reason", e.Reason.String()}, {"context", e.Context}, {"object", e.Object}, {"username", e.Username}} {
			s.BulkString(pair[0])
			s.BulkString(pair[1])
		}
		s.BulkString("age-seconds")
		s.Double(strconv.AppendFloat(nil, float64(now.Sub(e.At).Milliseconds())/1000, 'g', 17, 64))
		s.BulkString("client-info")
		s.BulkString(e.Client)
	}
}

func aclHelp(s *transport.Session, _ [][]byte) {
	help(s, "ACL",
		"CAT [<category>]", "    List the categories, or the commands of one.",
		"DELUSER <username> [<username> ...]", "    Delete users; their connections end.",
		"DRYRUN <username> <command> [<arg> ...]", "    Tell whether a user may run a command.",
		"GENPASS [<bits>]", "    Return a random password (256 bits).",
		"GETUSER <username>", "    Return a user's rules.",
		"LIST", "    Return all users' rules as in a file.",
		"LOAD", "    Read the users from the ACL file.",
		"LOG [<count> | RESET]", "    Return what was refused.",
		"SAVE", "    Write the users into the ACL file.",
		"SETUSER <username> <attribute> [<attribute> ...]", "    Change a user, or create one.",
		"USERS", "    List the users' names.",
		"WHOAMI", "    Return the connection's user.")
}
