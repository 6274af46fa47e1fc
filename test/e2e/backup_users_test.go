package e2e

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/quorate/quorate/test/harness"
	"github.com/quorate/quorate/test/wire"
)

// askAs runs a command on a connection of its own after AUTH, if there is something to say to that.
func askAs(t *testing.T, addr string, auth []string, command ...string) (wire.Reply, error) {
	t.Helper()
	c, err := wire.Dial(t.Context(), addr, askTimeout)
	must(t, err)
	defer c.Close()
	if len(auth) > 0 {
		if r, err := c.Do(append([]string{"AUTH"}, auth...)...); err != nil || r.IsError() {
			return r, errors.Join(err, errors.New(string(r.Str)))
		}
	}
	r, err := c.Do(command...)
	if err == nil && r.IsError() {
		err = errors.New(string(r.Str))
	}
	return r, err
}

// usersOf returns the users of a server as a file of users has them.
func usersOf(t *testing.T, addr string, auth ...string) string {
	t.Helper()
	r, err := askAs(t, addr, auth, "ACL", "LIST")
	must(t, err)
	return strings.Join(r.Strings(), "\n") + "\n"
}

// sortedUsers has the words of each line in their order: redis-server lists single commands in that of a hash table.
func sortedUsers(users string) string {
	var all strings.Builder
	for line := range strings.Lines(users) {
		words := strings.Fields(line)
		slices.Sort(words)
		all.WriteString(strings.Join(words, " ") + "\n")
	}
	return all.String()
}

// refuses checks that a command after AUTH ends with an error.
func refuses(t *testing.T, want, addr string, auth []string, command ...string) {
	t.Helper()
	if r, err := askAs(t, addr, auth, command...); err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("%s as %q: %q %v, want %s", strings.Join(command, " "), auth, r.Str, err, want)
	}
}

// logins checks on one server that the users of manyUsers get in as they should, and may do what they should.
func logins(t *testing.T, addr string) {
	t.Helper()
	for _, password := range []string{"secret", "second"} {
		if r, err := askAs(t, addr, []string{"alice", password}, "ACL", "WHOAMI"); err != nil || string(r.Str) != "alice" {
			t.Errorf("alice with %s on %s: %q %v", password, addr, r.Str, err)
		}
	}
	alice := []string{"alice", "secret"}
	for _, allowed := range []string{"EXISTS a1", "SET b1 v", "GET c1"} {
		if _, err := askAs(t, addr, alice, strings.Fields(allowed)...); err != nil && strings.Contains(err.Error(), "NOPERM") {
			t.Errorf("alice, %s on %s: %v", allowed, addr, err)
		}
	}
	for _, forbidden := range []string{"GET a1", "SET a1 v", "SET c1 v", "EXISTS d1", "ACL LIST"} {
		refuses(t, "NOPERM", addr, alice, strings.Fields(forbidden)...)
	}
	refuses(t, "WRONGPASS", addr, []string{"alice", "wrong"}, "PING")
	refuses(t, "WRONGPASS", addr, []string{"bob", "secret"}, "PING") // he is off
	refuses(t, "NOAUTH", addr, nil, "PING")
	refuses(t, "WRONGPASS", addr, []string{"secret"}, "PING")
	if _, err := askAs(t, addr, []string{"key"}, "DBSIZE"); err != nil {
		t.Errorf("the default user on %s: %v", addr, err)
	}
}

// manyUsers makes users of all kinds, the default one last.
func manyUsers(t *testing.T, addr string) {
	t.Helper()
	for _, user := range []string{
		"alice on >secret >second ~a* &c* +@read -get +acl|whoami (~b* +set) (%R~c* +get)",
		"bob off >secret ~* +@all -@dangerous",
		"carol on nopass skip-sanitize-payload allchannels +@all -debug +select|0",
		"dora reset on %W~d* allcommands",
		"keeper on >pw +sync +replconf +info +cluster|slots +acl|list", // what docs/backup.md says that a backup needs
		"default >key",
	} {
		text(t, addr, append([]string{"ACL", "SETUSER"}, strings.Fields(user)...)...)
	}
}

// TestBackupUsers: users are in a backup and restored where they are asked for, and only there.
func TestBackupUsers(t *testing.T) {
	c := startGroups(t, 1)
	addr := c.Addr(0)
	eventually(t, "a key", func() error { _, err := ask(addr, "SET", "k", "v"); return err })
	manyUsers(t, addr)
	want := usersOf(t, addr, "key")
	base := t.TempDir()
	with, without := filepath.Join(base, "with"), filepath.Join(base, "without")
	keeper := []string{"--user", "keeper", "-a", "pw"}
	mustRun(t, append([]string{"backup", "--from", addr, "--to", with, "--users"}, keeper...), "users: 6\n")
	mustRun(t, append([]string{"backup", "--from", addr, "--to", without}, keeper...))
	mustFail(t, "no place for users", append([]string{"backup", "--from", addr, "--to", filepath.Join(base, "one.rdb"), "--users"}, keeper...)...)
	file := filepath.Join(with, "users.acl")
	b, err := os.ReadFile(file)
	must(t, err)
	if string(b) != want || strings.Contains(want, "secret") || strings.Count(want, " #") != 5 || strings.Count(want, "\n") != 6 {
		t.Errorf("users.acl has\n%s\nthe cluster\n%s", b, want)
	}
	if st, err := os.Stat(file); err != nil || st.Mode().Perm() != 0o600 {
		t.Errorf("%v %v", st.Mode(), err)
	}
	files, err := os.ReadDir(without)
	must(t, err)
	for _, f := range files {
		b, err := os.ReadFile(filepath.Join(without, f.Name()))
		must(t, err)
		if strings.Contains(string(b), "alice") || strings.HasSuffix(f.Name(), ".acl") {
			t.Errorf("a backup that wasn't asked for users has them in %s", f.Name())
		}
	}
	mustRun(t, []string{"verify", "--from", with}, "users: 6\n")
	if out := mustRun(t, []string{"verify", "--from", without}); strings.Contains(out, "users") {
		t.Error(out)
	}

	// A cluster of another size, which is left to those users on every node.
	larger := harness.New(t, harness.Options{Nodes: 5, Args: []string{"--quorate-initial-groups", "2"}})
	mustRun(t, []string{"restore", "--from", with, "--to", larger.Addr(3), "--users", "--verify"}, "restored 1 of 1", "all data is there: yes",
		"users: 6, of whom 6 were set and 0 were there\n")
	for i := range larger.Len() {
		eventually(t, "every node has the users", func() error {
			if r, err := askAs(t, larger.Addr(i), []string{"key"}, "ACL", "LIST"); err != nil || strings.Join(r.Strings(), "\n")+"\n" != want {
				return fmt.Errorf("%v\n%s\nwant\n%s", err, strings.Join(r.Strings(), "\n"), want)
			}
			return nil
		})
		logins(t, larger.Addr(i))
	}
	mustRun(t, []string{"restore", "--from", with, "--to", larger.Addr(0), "--users", "--replace", "-a", "key"}, "users: 6, of whom 0 were set and 6 were there\n")

	// A node in plain mode: none, as they weren't asked for; none, as there are none; all.
	plain := startPlain(t).Addr(0)
	before := usersOf(t, plain)
	mustFail(t, "has no users", "restore", "--from", without, "--to", plain, "--users")
	mustFail(t, "has no users", "restore", "--from", filepath.Join(without, "group-1.rdb"), "--to", plain, "--users")
	if n := keysOf(plain); n != 0 {
		t.Errorf("%d keys were restored", n)
	}
	mustRun(t, []string{"restore", "--from", with, "--to", plain})
	if got := usersOf(t, plain); got != before {
		t.Errorf("users that weren't asked for: %s", got)
	}
	mustFail(t, "users are restored only when all else is in order", "restore", "--from", with, "--to", plain, "--users")
	if got := usersOf(t, plain); got != before {
		t.Errorf("with a key that was there: %s", got)
	}
	mustRun(t, []string{"restore", "--from", with, "--to", plain, "--users", "--flush", "--verify"}, "users: 6, of whom 6 were set", "the server forgets them")
	if got := usersOf(t, plain, "key"); got != want {
		t.Errorf("restored\n%s\nof\n%s", got, want)
	}
	logins(t, plain)

	// redis-server reads the file, and gets the same users by a restore.
	redis := startRedis(t, "--aclfile", file)
	if got := usersOf(t, redis, "key"); sortedUsers(got) != sortedUsers(want) {
		t.Errorf("redis-server reads\n%s\nof\n%s", got, want)
	}
	redis = startRedis(t)
	mustRun(t, []string{"restore", "--from", with, "--to", redis, "--users"}, "users: 6, of whom 6 were set and 0 were there\n")
	if got := usersOf(t, redis, "key"); sortedUsers(got) != sortedUsers(want) {
		t.Errorf("redis-server has\n%s\nof\n%s", got, want)
	}
}

// TestRestoreUsersOverOthers: who is there and differs stays unless he is to be replaced, and
// nothing is restored; others are left alone. The tool's own user may end with it.
func TestRestoreUsersOverOthers(t *testing.T) {
	source := startPlain(t).Addr(0)
	text(t, source, "SET", "k", "v")
	text(t, source, "ACL", "SETUSER", "op", "on", ">pw", "+ping") // fewer than op has where he restores
	manyUsers(t, source)
	if _, err := askAs(t, source, []string{"key"}, "ACL", "SETUSER", "default", "off"); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "b")
	mustRun(t, []string{"backup", "--from", source, "--to", path, "--users", "--user", "keeper", "-a", "pw"}, "users: 7\n")
	b, err := os.ReadFile(filepath.Join(path, "users.acl"))
	must(t, err)

	c := startGroups(t, 1)
	addr := c.Addr(1)
	eventually(t, "a key", func() error { _, err := ask(c.Addr(0), "SET", "old", "v"); return err })
	text(t, addr, "ACL", "SETUSER", "zoe", "on", "nopass", "+ping")
	text(t, addr, "ACL", "SETUSER", "alice", "on", "nopass", "~mine*")
	text(t, addr, "ACL", "SETUSER", "reader", "on", ">pw", "~*", "+@all", "-acl", "+acl|list")
	text(t, addr, "ACL", "SETUSER", "op", "on", ">pw", "~*", "&*", "+@all")
	before := usersOf(t, addr)
	op := []string{"restore", "--from", path, "--to", addr, "--user", "op", "-a", "pw", "--users", "--flush"}
	mustFail(t, "alice, op; --replace replaces them", op...)
	mustFail(t, "NOPERM", "restore", "--from", path, "--to", addr, "--user", "reader", "-a", "pw", "--users", "--flush", "--replace")
	if got := usersOf(t, addr); got != before || text(t, c.Addr(0), "GET", "old") != "v" {
		t.Errorf("a restore that was refused has left\n%s\nof\n%s", got, before)
	}
	mustRun(t, append(op, "--replace", "--verify"), "all data is there: yes", "users: 7, of whom 7 were set and 0 were there\n")
	refuses(t, "NOPERM", addr, []string{"op", "pw"}, "ACL", "LIST")
	refuses(t, "NOAUTH", addr, nil, "PING")
	refuses(t, "WRONGPASS", addr, []string{"key"}, "PING")
	if _, err := askAs(t, addr, []string{"alice", "second"}, "ACL", "WHOAMI"); err != nil {
		t.Error(err)
	}
	var kept []string // those who were there and are not in the backup
	for line := range strings.Lines(before) {
		if name := strings.Fields(line)[1]; name == "zoe" || name == "reader" {
			kept = append(kept, line)
		}
	}
	got := usersOf(t, addr, "keeper", "pw")
	all := append(slices.Collect(strings.Lines(string(b))), kept...)
	slices.Sort(all)
	if len(kept) != 2 || got != strings.Join(all, "") {
		t.Errorf("restored\n%s\nwant\n%s", got, strings.Join(all, ""))
	}
}

// TestRestoreUsersOverFailure: the node that users are being restored through is killed. They are all
// there in the end, through another, and none is taken for one that was there before.
func TestRestoreUsersOverFailure(t *testing.T) {
	source := startPlain(t).Addr(0)
	n := 60
	commands := make([][]string, n)
	for i := range commands {
		name := fmt.Sprintf("user%04d", i)
		commands[i] = []string{"ACL", "SETUSER", name, "on", ">" + name, "~" + name + "*", "+@read"}
	}
	fillWith(t, source, commands)
	want := usersOf(t, source)
	path := filepath.Join(t.TempDir(), "b")
	mustRun(t, []string{"backup", "--from", source, "--to", path, "--users"}, fmt.Sprintf("users: %d\n", n+1))

	c := startNodes(t)
	homes(t, c)
	count := func() int {
		r, err := ask(c.Addr(1), "ACL", "USERS")
		must(t, err)
		return len(r.Elems)
	}
	var out string
	restored := make(chan error, 1)
	// Ends with the restore, which is waited for below.
	go func() {
		var err error
		out, err = quorate("restore", "--from", path, "--to", c.Addr(0), "--users")
		restored <- err
	}()
	eventually(t, "users come", func() error {
		if count() < 10 {
			return errors.New("not yet")
		}
		return nil
	})
	must(t, c.Kill(0))
	if count() > n {
		t.Error("the restore was over before the node could be killed")
	}
	if err := <-restored; err != nil || !strings.Contains(out, fmt.Sprintf("users: %d, of whom %d were set and 1 were there\n", n+1, n)) {
		t.Errorf("%v\n%s", err, out)
	}
	eventually(t, "another node has all users", func() error {
		if got := usersOf(t, c.Addr(2)); got != want {
			return fmt.Errorf("%d users", strings.Count(got, "\n"))
		}
		return nil
	})
}

// TestRestoreUsersDamaged: a damaged file of users changes nothing, but is in nobody's way who wants
// the data only.
func TestRestoreUsersDamaged(t *testing.T) {
	addr := startPlain(t).Addr(0)
	text(t, addr, "SET", "k", "v")
	text(t, addr, "ACL", "SETUSER", "bob", "off", ">secret")
	path := filepath.Join(t.TempDir(), "b")
	mustRun(t, []string{"backup", "--from", addr, "--to", path, "--users"}, "users: 2\n")
	text(t, addr, "ACL", "DELUSER", "bob")
	text(t, addr, "SET", "later", "x")
	before, digest := usersOf(t, addr), text(t, addr, "DEBUG", "DIGEST")
	file := filepath.Join(path, "users.acl")
	whole, err := os.ReadFile(file)
	must(t, err)
	for want, damaged := range map[string][]byte{
		"another SHA-256":   []byte(strings.Replace(string(whole), "bob off", "bob  on", 1)),
		"the manifest says": whole[:len(whole)-20],
		"no such file":      nil,
	} {
		must(t, os.Remove(file))
		if damaged != nil {
			must(t, os.WriteFile(file, damaged, 0o600))
		}
		mustFail(t, want, "verify", "--from", path)
		mustFail(t, want, "restore", "--from", path, "--to", addr, "--users", "--flush", "--replace")
		if got := usersOf(t, addr); got != before || text(t, addr, "DEBUG", "DIGEST") != digest {
			t.Errorf("%s: the server has changed", want)
		}
		must(t, os.WriteFile(file, whole, 0o600))
	}
	must(t, os.Remove(file))
	mustRun(t, []string{"restore", "--from", path, "--to", addr, "--flush", "--verify"}, "restored 1 of 1", "all data is there: yes", "extra: 0\n")
}
