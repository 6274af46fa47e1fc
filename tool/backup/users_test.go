package backup

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// fakeUsers are the users of a fakeServer. Whoever logs in with the password "pw" may
// do everything, unless he is denied.
type fakeUsers struct {
	mu    sync.Mutex
	lines map[string]string // by name
	order []string          // names that were given to ACL SETUSER with rules
	// before is asked about each of them, before it is done; hangUp is after that.
	before func(name string) (reply string, hangUp bool)
	denied func(user, command string) (reply string)
	shown  func(line string) string // in ACL LIST
}

func newFakeUsers(lines ...string) *fakeUsers {
	return &fakeUsers{lines: byName(lines), before: func(string) (string, bool) { return "", false },
		denied: func(string, string) string { return "" }, shown: func(line string) string { return line }}
}

func (f *fakeUsers) answer(args []string, user *string) (reply string, hangUp bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if args[0] == "AUTH" {
		if args[len(args)-1] != "pw" {
			return "-WRONGPASS\r\n", false
		}
		if *user = defaultUser; len(args) == 3 {
			*user = args[1]
		}
		return "+OK\r\n", false
	}
	if args[0] != "ACL" {
		return "", false
	}
	if no := f.denied(*user, args[1]); no != "" {
		return no, false
	}
	if args[1] == "LIST" {
		reply = fmt.Sprintf("*%d\r\n", len(f.lines))
		for _, name := range slices.Sorted(maps.Keys(f.lines)) {
			line := f.shown(f.lines[name])
			reply += fmt.Sprintf("$%d\r\n%s\r\n", len(line), line)
		}
		return reply, false
	}
	name, rules := args[2], args[3:]
	if len(rules) == 0 {
		return "+OK\r\n", false
	}
	if reply, hangUp = f.before(name); reply != "" {
		return reply, hangUp
	}
	f.order = append(f.order, name)
	if rules = rules[len(emptyUser):]; strings.Contains(f.lines[name], " skip-sanitize-payload ") && !slices.Contains(rules, "sanitize-payload") {
		rules = append([]string{rules[0], "skip-sanitize-payload"}, rules[1:]...) // the only rule that emptyUser leaves
	}
	f.lines[name] = "user " + name + " " + strings.Join(rules, " ")
	return "+OK\r\n", hangUp
}

const (
	alice = "user alice on #" + "2bd806c97f0e00af1a1fc3328fa763a9269723c8db8fac4f93af71db186d6e90" + " ~a* resetchannels -@all +@read -get (~b* resetchannels -@all +set)"
	bob   = "user bob off nopass resetchannels -@all"
	key   = "user default on #" + "2c70e12b7a0646f92279f427c7b38e7334d8e5389cff167a1dc30e73f826b683" + " ~* &* +@all"
	admin = "user admin on nopass resetchannels -@all +ping" // with what a tool needs no more
)

// backupOf takes a backup of users and one key.
func backupOf(t *testing.T, lines ...string) string {
	t.Helper()
	f := newFakeServer(t)
	f.file = func(int) []byte { return groupFile(1, "0-16383", "k") }
	f.acl = newFakeUsers(lines...)
	path := filepath.Join(t.TempDir(), "b")
	m, err := Take(t.Context(), TakeOptions{From: Access{Addr: f.addr, Timeout: 5 * time.Second}, To: path, Users: true})
	if err != nil || m.Users == nil || m.Users.Users != len(lines) {
		t.Fatalf("%v: %+v", err, m)
	}
	return path
}

func restoreUsers(t *testing.T, path string, to *fakeServer, o RestoreOptions) (*Restored, *RestoredUsers, error) {
	t.Helper()
	o.From, o.DB, o.Users = path, -1, true
	o.To.Addr, o.To.Timeout = to.addr, 5*time.Second
	r, err := Restore(t.Context(), o)
	if err != nil {
		return r, nil, err
	}
	u, err := r.RestoreUsers(t.Context())
	return r, u, err
}

// TestTakeUsers: servers that have different users are asked again, and no backup is
// made of either's.
func TestTakeUsers(t *testing.T) {
	a, b := newFakeServer(t), newFakeServer(t)
	early := true
	a.slots = func() string {
		if early {
			early = false
			return "*0\r\n"
		}
		return "*2\r\n" + a.row(0, 99) + b.row(100, 16383)
	}
	b.slots = a.slots
	for _, f := range []*fakeServer{a, b} {
		f.file = func(slot int) []byte {
			if slot < 100 {
				return groupFile(1, "0-99", "")
			}
			return groupFile(2, "100-16383", "k")
		}
	}
	a.acl, b.acl = newFakeUsers(alice, key), newFakeUsers(openDefault)
	asked := 0
	a.acl.shown = func(line string) string {
		if asked++; asked == 3 { // the second time
			b.acl.mu.Lock()
			defer b.acl.mu.Unlock()
			b.acl.lines = byName([]string{alice, key})
		}
		return line
	}
	dir := t.TempDir()
	o := TakeOptions{From: Access{Addr: a.addr, Timeout: 5 * time.Second}, To: filepath.Join(dir, "b"), Users: true}
	m, err := Take(t.Context(), o)
	if err != nil || m.Users.Users != 2 || m.Format != formatWithUsers || asked < 4 {
		t.Fatalf("%v: %+v, asked %d times", err, m, asked)
	}
	if text, err := os.ReadFile(filepath.Join(o.To, usersName)); err != nil || string(text) != alice+"\n"+key+"\n" {
		t.Errorf("%v: %s", err, text)
	}
	o.Users, o.To = false, filepath.Join(dir, "c")
	if m, err := Take(t.Context(), o); err != nil || m.Users != nil || m.Format != manifestFormat {
		t.Errorf("not asked for: %v %+v", err, m)
	}
	if _, err := os.Stat(filepath.Join(o.To, usersName)); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("not asked for: %v", err)
	}

	o.Users, o.To = true, filepath.Join(dir, "d")
	before := usersSettle
	usersSettle = time.Millisecond
	defer func() { usersSettle = before }()
	b.acl.lines = byName([]string{alice, openDefault})
	if _, err := Take(t.Context(), o); !errors.Is(err, errUsersDiffer) {
		t.Errorf("two servers with different users: %v", err)
	}
	broken := byName([]string{"user alice on ~* +select|a\nb", key})
	a.acl.lines, b.acl.lines = broken, broken
	if _, err := Take(t.Context(), o); err == nil || !strings.Contains(err.Error(), "line break") {
		t.Errorf("a line break: %v", err)
	}
	a.acl.denied = func(string, string) string { return "-NOPERM no\r\n" }
	if _, err := Take(t.Context(), o); err == nil || !strings.Contains(err.Error(), "NOPERM") {
		t.Errorf("%v", err)
	}
	o.To = filepath.Join(dir, "e.rdb")
	if _, err := Take(t.Context(), o); !errors.Is(err, errUsersNoPlace) {
		t.Errorf("one file: %v", err)
	}
	if entries, _ := os.ReadDir(dir); len(entries) != 2 {
		t.Errorf("left over: %v", entries)
	}
}

// TestUsersDamaged: whatever is wrong with the file of users, it is found before anything is
// restored, but only where users are asked for: the data is sound.
func TestUsersDamaged(t *testing.T) {
	path := backupOf(t, alice, bob, key)
	file, manifest := filepath.Join(path, usersName), filepath.Join(path, manifestName)
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	sealed, err := os.ReadFile(manifest)
	if err != nil {
		t.Fatal(err)
	}
	keep := func(*UsersPart) {}
	as := func(text string) func(*UsersPart) { // what the manifest says is changed likewise
		return func(p *UsersPart) {
			sum := sha256.Sum256([]byte(text))
			p.Bytes, p.SHA256 = int64(len(text)), hex.EncodeToString(sum[:])
		}
	}
	half, odd := string(text[:len(text)/2]), strings.Replace(string(text), "user bob", "usr bob", 1)
	for _, d := range []struct {
		text, want string
		seal       func(*UsersPart)
	}{
		{half, "bytes, the manifest says", keep},
		{"", "bytes, the manifest says", keep},
		{strings.Replace(string(text), "bob off", "bob  on", 1), "another SHA-256", keep},
		{string(text) + "user eve on nopass ~* &* +@all\n", "the manifest says", keep},
		{odd, "line 2 is about no user", as(odd)},
		{half, "has 1 users, the manifest says 3", as(half)},
		{string(text), errManifest.Error(), func(p *UsersPart) { p.File = "../" + usersName }},
		{string(text), "no such file", func(p *UsersPart) { p.File = "other" }},
	} {
		m, err := parseManifest(sealed)
		if err != nil {
			t.Fatal(err)
		}
		d.seal(m.Users)
		for file, text := range map[string][]byte{file: []byte(d.text), manifest: m.encode()} {
			if err := os.WriteFile(file, text, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		to := newFakeServer(t)
		to.acl = newFakeUsers(openDefault)
		if _, _, err := restoreUsers(t, path, to, RestoreOptions{Replace: true}); err == nil || !strings.Contains(err.Error(), d.want) {
			t.Errorf("%v, want %q", err, d.want)
		}
		if _, err := Verify(t.Context(), VerifyOptions{From: path, DB: -1, Users: true}); err == nil || !strings.Contains(err.Error(), d.want) {
			t.Errorf("verify: %v, want %q", err, d.want)
		}
		if len(to.has) > 0 || len(to.acl.order) > 0 {
			t.Errorf("%s: restored %v and users %v", d.want, to.has, to.acl.order)
		}
		if _, err := restore(t, path, to); err != nil || len(to.has) != 1 || len(to.acl.order) > 0 {
			t.Errorf("%s: without users: %v, %d keys", d.want, err, len(to.has))
		}
	}
}

// TestRestoreUsersOrder: the default user comes behind the others and the tool's own at the very
// end, each at once; replies that are lost in between don't matter.
func TestRestoreUsersOrder(t *testing.T) {
	path := backupOf(t, admin, alice, bob, strings.Replace(key, " on ", " off ", 1), "user zoe off resetchannels -@all")
	to := newFakeServer(t)
	to.acl = newFakeUsers("user admin on nopass ~* &* +@all", openDefault, "user eve on nopass ~* &* +@all", "user zoe on skip-sanitize-payload ~* &* +@all", strings.Replace(bob, "off", "off sanitize-payload", 1))
	lost, uncertain := map[string]bool{"alice": true, "default": true}, true
	to.acl.before = func(name string) (reply string, hangUp bool) {
		hangUp = lost[name]
		delete(lost, name)
		if name == "zoe" && uncertain {
			reply, uncertain = "-UNCERTAIN the change of the users may or may not be made\r\n", false
		}
		return reply, hangUp
	}
	// Once it was set, the tool's own user may do nothing any more.
	to.acl.denied = func(user, _ string) string {
		if user == "admin" && to.acl.lines["admin"] == admin {
			return "-NOPERM no\r\n"
		}
		return ""
	}
	_, u, err := restoreUsers(t, path, to, RestoreOptions{Replace: true, To: Access{User: "admin", Password: "pw"}})
	if err != nil || u.Users != 5 || u.Set != 4 || u.There != 1 || len(u.Differ)+len(u.Busy) > 0 || !u.Forgets {
		t.Errorf("%v: %+v", err, u)
	}
	if got := strings.Join(to.acl.order, " "); got != "alice zoe default admin" {
		t.Errorf("set in the order %s", got)
	}
	if to.acl.lines["alice"] != alice || to.acl.lines["admin"] != admin || to.acl.lines["eve"] == "" || len(to.acl.lines) != 6 || strings.Contains(to.acl.lines["zoe"], "skip") {
		t.Errorf("%v", to.acl.lines)
	}

	// The last reply of all is lost: nobody knows.
	to.acl.lines = byName([]string{"user admin on nopass ~* &* +@all", openDefault})
	lost["admin"] = true
	to.acl.shown = func(line string) string { return strings.Replace(line, "zoe off", "zoe on", 1) }
	if _, u, err = restoreUsers(t, path, to, RestoreOptions{Replace: true, To: Access{User: "admin", Password: "pw"}}); err == nil ||
		!strings.Contains(err.Error(), "it seems he was set") || u.Set != 4 || !slices.Equal(u.Differ, []string{"zoe"}) {
		t.Errorf("%v: %+v", err, u)
	}
}

// TestRestoreUsersBusy: users who are there and differ stay what they are, and are found
// before anything is restored.
func TestRestoreUsersBusy(t *testing.T) {
	path := backupOf(t, alice, bob, key)
	to := newFakeServer(t)
	fails := func(want string, o RestoreOptions) {
		t.Helper()
		if _, _, err := restoreUsers(t, path, to, o); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
		if len(to.has) > 0 || len(to.acl.order) > 0 {
			t.Errorf("%s: restored %v and users %v", want, to.has, to.acl.order)
		}
	}
	to.acl = newFakeUsers("user alice on nopass resetchannels -@all", "user default on #12 ~* &* +@all", bob)
	fails("as in the backup: alice, default; --replace", RestoreOptions{Flush: true})
	to.acl.denied = func(string, string) string { return "-NOPERM no\r\n" }
	fails("NOPERM", RestoreOptions{Replace: true, Flush: true})
	to.acl.denied = func(_, command string) string {
		if command == "SETUSER" {
			return "-NOPERM no changes\r\n"
		}
		return ""
	}
	fails("NOPERM no changes", RestoreOptions{Replace: true, Flush: true})
	to.acl = newFakeUsers(openDefault)
	to.slots = func() string { return "*1\r\n" + to.row(0, 16383) }
	fails("no Quorate", RestoreOptions{})
	to.info = "quorate_version:1\r\n"
	if _, u, err := restoreUsers(t, path, to, RestoreOptions{}); err != nil || u.Set != 3 || u.Forgets {
		t.Errorf("%v: %+v", err, u)
	}

	// One comes while keys are restored. He stays, the others are restored.
	to.acl, to.has = newFakeUsers(openDefault), map[string][]byte{}
	to.before = func(string) (string, bool) {
		to.acl.mu.Lock()
		defer to.acl.mu.Unlock()
		to.acl.lines["alice"] = "user alice on nopass resetchannels -@all"
		return "", false
	}
	r, u, err := restoreUsers(t, path, to, RestoreOptions{})
	if err != nil || u.Set != 2 || !slices.Equal(u.Busy, []string{"alice"}) || to.acl.lines["alice"] == alice {
		t.Errorf("%v: %+v", err, u)
	}
	if u, err = r.RestoreUsers(t.Context()); err != nil || u.Set != 2 || len(u.Busy) != 1 || len(to.acl.order) != 2 {
		t.Errorf("once more: %v: %+v", err, u)
	}

	// A server that makes something else of the rules, and one that doesn't take them.
	to.acl = newFakeUsers(openDefault)
	to.before = func(string) (string, bool) { return "", false }
	to.acl.shown = func(line string) string {
		if line == key {
			return openDefault
		}
		return strings.Replace(line, "-get", "-mget", 1)
	}
	lost := true
	to.acl.before = func(string) (reply string, hangUp bool) { // alice is set, and set once more
		hangUp, lost = lost, false
		return "", hangUp
	}
	to.has = map[string][]byte{}
	if _, u, err := restoreUsers(t, path, to, RestoreOptions{}); err != nil || !slices.Equal(u.Differ, []string{"alice", "default"}) || u.Set != 3 || len(u.Busy) > 0 {
		t.Errorf("%v: %+v", err, u)
	}
	to.acl = newFakeUsers(openDefault)
	to.acl.before = func(string) (string, bool) { return "-ERR Error in ACL SETUSER modifier\r\n", false }
	if _, u, err := restoreUsers(t, path, to, RestoreOptions{Replace: true}); err == nil || !strings.Contains(err.Error(), `user "alice"`) || u.Set != 0 ||
		to.acl.lines["default"] != openDefault {
		t.Errorf("%v: %+v", err, u)
	}
	r, err = Restore(t.Context(), RestoreOptions{From: path, DB: -1, Users: true, Replace: true, To: Access{Addr: to.addr, Timeout: 5 * time.Second}})
	if err != nil {
		t.Fatal(err)
	}
	to.acl.denied = func(string, string) string { return "-NOPERM no\r\n" }
	if _, err := r.RestoreUsers(t.Context()); err == nil || !strings.Contains(err.Error(), "NOPERM") || strings.Contains(err.Error(), "it seems") {
		t.Errorf("%v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := r.RestoreUsers(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("told to stop: %v", err)
	}
}

func TestSameUser(t *testing.T) {
	for _, c := range []struct {
		a, b string
		same bool
	}{
		{alice, alice, true},
		{alice, strings.Replace(alice, "+@read -get", "-get +@read", 1), false},
		{alice + " +set +del", alice + " +del +set", true},
		{alice + " +@write -@slow", alice + " -@slow +@write", false},
		{alice, strings.Replace(alice, " on ", " on sanitize-payload ", 1), true},
		{alice, strings.Replace(alice, " on ", " on skip-sanitize-payload ", 1), false},
		{alice, strings.Replace(alice, " on ", " off ", 1), false},
		{alice, strings.Replace(alice, "~b* resetchannels", "resetchannels", 1), false},
		{"user a on -@all (~a -@all) (~b -@all)", "user a on -@all (~a ~b -@all) (-@all)", false},
		{"user a on -@all ~x (~a -@all)", "user a on -@all (~a ~x -@all)", false},
	} {
		if sameUser(c.a, c.b) != c.same {
			t.Errorf("the same: %v\n%s\n%s", !c.same, c.a, c.b)
		}
	}
}
