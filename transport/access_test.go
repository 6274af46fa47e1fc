package transport

import (
	"strings"
	"testing"

	"github.com/quorate/quorate/fsm"
	"github.com/quorate/quorate/security"
)

// withUsers starts a server; set changes a user as ACL SETUSER does.
func withUsers(t *testing.T) (addr string, s *Server, set func(name string, rules ...string)) {
	t.Helper()
	s, addr = startServer(t, Options{Router: plainRouter{newFakeGroup(fsm.Options{Commands: SecurityCommands(NewTable())})}})
	return addr, s, func(name string, rules ...string) {
		t.Helper()
		c, err := s.Users().Set(name, rules)
		if err != nil {
			t.Fatal(err)
		}
		s.ApplyUsers(c, nil)
	}
}

const wrongPass = "-WRONGPASS invalid username-password pair or user is disabled.\r\n"

func noPerm(what string) string { return "-NOPERM this user has no permissions to " + what + "\r\n" }

const (
	oneKey     = "access one of the keys used as arguments"
	oneChannel = "access one of the channels used as arguments"
)

func TestAuth(t *testing.T) {
	addr, s, set := withUsers(t)
	set("bob", "on", ">secret", "+@all", "~*")
	set("off", ">secret")
	c := dial(t, addr)
	c.do("auth bob wrong", wrongPass)
	c.do("auth off secret", wrongPass)
	c.do("auth nobody secret", wrongPass)
	c.do("auth secret", "-ERR AUTH <password> called without any password configured for the default user. Are you sure your configuration is correct?\r\n")
	c.do("auth a b c", "-ERR syntax error\r\n")
	c.do("auth bob secret", "+OK\r\n")
	if name := s.sessions.all()[0].User().Name; name != "bob" {
		t.Error(name)
	}
	c.do("publish ch x", noPerm(oneChannel))
	c.do("reset", "+RESET\r\n")
	c.do("publish ch x", ":0\r\n")
	var log []string
	for _, e := range s.Users().Log.Entries(-1) {
		log = append(log, e.Reason.String()+" "+e.Context+" "+e.Object+" "+e.Username)
	}
	want := "channel toplevel ch bob,auth toplevel auth nobody,auth toplevel auth off,auth toplevel auth bob"
	if got := strings.Join(log, ","); got != want {
		t.Errorf("logged %s, want %s", got, want)
	}
	// A password of the default user concerns only those who connect afterwards.
	s.Users().DefaultPassword("pw")
	c.do("get a", "$-1\r\n")
	late := dial(t, addr)
	late.do("get a", "-NOAUTH Authentication required.\r\n")
	late.do("auth wrong", wrongPass)
	late.do("auth pw", "+OK\r\n")
	late.do("get a", "$-1\r\n")
	third := dial(t, addr)
	third.do("get a", "-NOAUTH Authentication required.\r\n")
	s.Users().DefaultPassword("")
	third.do("get a", "$-1\r\n")
}

func TestAccess(t *testing.T) {
	addr, s, set := withUsers(t)
	set("bob", "on", "nopass", "~k*", "%R~r*", "&c*", "+@all", "-del", "-client|kill")
	c := dial(t, addr)
	c.do("auth bob x", "+OK\r\n")
	for _, step := range []struct{ in, out string }{
		{"set k1 v", "+OK\r\n"},
		{"set r1 v", noPerm(oneKey)},
		{"get r1", "$-1\r\n"},
		{"mget k1 x", noPerm(oneKey)},
		{"del k1", noPerm("run the 'del' command")},
		{"client kill a:1", noPerm("run the 'client|kill' command")},
		{"client getname", "$-1\r\n"},
		{"publish c1 x", ":0\r\n"},
		{"publish d1 x", noPerm(oneChannel)},
		{"subscribe c1 d1", noPerm(oneChannel)},
		{"watch x", noPerm(oneKey)},
		{"multi", "+OK\r\n"},
		{"get x", noPerm(oneKey)},
		{"exec", "-EXECABORT Transaction discarded because of previous errors.\r\n"},
		{"sort k2 by w*", "-ERR BY option of SORT denied due to insufficient ACL permissions.\r\n"},
		{"nix", "-ERR unknown command 'nix', with args beginning with: \r\n"},
		{"del", "-ERR wrong number of arguments for 'del' command\r\n"},
	} {
		c.do(step.in, step.out)
	}
	if n := len(s.Users().Log.Entries(-1)); n != 6 {
		t.Errorf("%d entries in the log", n)
	}
}

// TestAccessAtExec takes permissions away between the queue and EXEC.
func TestAccessAtExec(t *testing.T) {
	addr, s, set := withUsers(t)
	set("bob", "on", "nopass", "allkeys", "allchannels", "+@all")
	c := dial(t, addr)
	c.do("auth bob x", "+OK\r\n")
	c.do("multi", "+OK\r\n")
	for _, line := range []string{"set k v", "set l v", "publish ch x", "ping", "get k"} {
		c.do(line, "+QUEUED\r\n")
	}
	set("bob", "resetkeys", "~k", "resetchannels", "-ping")
	const changed = "-NOPERM ACLs rules changed between the moment the transaction was accumulated and the EXEC call. " +
		"This command is no longer allowed for the following reason: "
	c.do("exec", "*5\r\n+OK\r\n"+changed+"no permission to touch the specified keys\r\n"+
		changed+"no permission to access one of the channels used as arguments to the command\r\n"+
		changed+"no permission to execute the command or subcommand\r\n$1\r\nv\r\n")
	if e := s.Users().Log.Entries(1); len(e) != 1 || e[0].Context != security.InMulti {
		t.Error(e)
	}
	c.do("multi", "+OK\r\n")
	c.do("get k", "+QUEUED\r\n")
	set("bob", "-exec")
	c.do("exec", "-EXECABORT Transaction discarded because of: NOPERM this user has no permissions to run the 'exec' command\r\n")
}

func TestScriptsAccess(t *testing.T) {
	addr, s, set := withUsers(t)
	set("bob", "on", "nopass", "~k", "+eval", "+get", "+multi", "+exec", "+fcall")
	c := dial(t, addr)
	c.do("auth bob x", "+OK\r\n")
	c.do(`eval "return redis.pcall('set','k','v')" 0`, "-ERR The user executing the script can't run this command or subcommand\r\n")
	c.do(`eval "return redis.pcall('get','l')" 0`, "-ERR The user executing the script can't access at least one of the keys mentioned in the command arguments\r\n")
	c.do(`eval "return redis.pcall('get','k')" 0`, "$-1\r\n")
	c.do("multi", "+OK\r\n")
	c.do(`eval "return redis.pcall('set','k','v')" 0`, "+QUEUED\r\n")
	c.do("exec", "*1\r\n-ERR The user executing the script can't run this command or subcommand\r\n")
	e := s.Users().Log.Entries(-1)
	if len(e) != 2 || e[0].Context != security.InScript || e[0].Object != "set" || e[0].Count != 2 || e[1].Object != "l" {
		t.Errorf("%+v", e)
	}
}

// TestUsersGo ends the connections of users who are deleted or may not hear any
// more what they subscribe to, and no others.
func TestUsersGo(t *testing.T) {
	addr, s, set := withUsers(t)
	set("bob", "on", "nopass", "&a*", "&b", "+@all")
	subscriber, pattern, idle, other := dial(t, addr), dial(t, addr), dial(t, addr), dial(t, addr)
	for _, c := range []*client{subscriber, pattern, idle} {
		c.do("auth bob x", "+OK\r\n")
	}
	subscriber.do("subscribe b", "*3\r\n$9\r\nsubscribe\r\n$1\r\nb\r\n:1\r\n")
	pattern.do("psubscribe a*", "*3\r\n$10\r\npsubscribe\r\n$2\r\na*\r\n:1\r\n")
	set("bob", "resetchannels", "&a*", "&c")
	eventually(t, "the subscriber of b is closed", func() bool { return s.Stats().Connected == 3 })
	pattern.do("ping", "*2\r\n$4\r\npong\r\n$0\r\n\r\n")
	set("bob", "allchannels")
	set("bob", "resetchannels", "&abc")
	eventually(t, "the subscriber of a* is closed", func() bool { return s.Stats().Connected == 2 })
	idle.do("ping", "+PONG\r\n")
	c, err := s.Users().Delete([]string{"bob"})
	if err != nil {
		t.Fatal(err)
	}
	s.ApplyUsers(c, nil)
	eventually(t, "the user's connections are closed", func() bool { return s.Stats().Connected == 1 })
	other.do("ping", "+PONG\r\n")
}
