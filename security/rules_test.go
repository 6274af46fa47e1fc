package security

import (
	"errors"
	"strings"
	"testing"

	"github.com/quorate/quorate/command"
)

// few are enough commands to write rules about.
func few() *Commands {
	t := command.NewTable[int]()
	add := func(name string, flags command.Flags, acl command.Categories, keys []command.KeySpec) *command.Node[int] {
		return t.Add(&command.Spec{Name: name, Arity: -1, Flags: flags, ACL: acl, Keys: keys}, 0)
	}
	add("GET", command.ReadOnly|command.Fast, command.String, command.FirstArg(command.KeyRO|command.KeyAccess))
	add("SET", command.Write, command.String, command.FirstArg(command.KeyOW|command.KeyUpdate|command.KeyVariableFlags))
	add("EXISTS", command.ReadOnly|command.Fast, command.Keyspace, command.AllArgs(command.KeyRO))
	add("AUTH", command.NoAuth|command.Fast, command.Connection, nil)
	add("SELECT", command.Fast, command.Connection, nil)
	add("PUBLISH", command.PubSub|command.Fast, 0, nil)
	add("PSUBSCRIBE", command.PubSub, 0, nil)
	config := add("CONFIG", 0, 0, nil)
	config.AddSub(&command.Spec{Name: "GET", Arity: -3, Flags: command.Admin}, 0)
	config.AddSub(&command.Spec{Name: "SET", Arity: -4, Flags: command.Admin}, 0)
	var top []*command.Spec
	for _, n := range t.All() {
		top = append(top, n.Spec)
	}
	return NewCommands(top)
}

func TestCheck(t *testing.T) {
	set := few()
	for _, c := range []struct{ rules, command, want string }{
		{"", "get k", "This user has no permissions to run the 'get' command"},
		{"", "auth x", "OK"},
		{"+get", "get k", "This user has no permissions to access the 'k' key"},
		{"+get ~k", "get k", "OK"},
		{"+get ~k", "get kk", "This user has no permissions to access the 'kk' key"},
		{"+get %W~k", "get k", "This user has no permissions to access the 'k' key"},
		{"+get %W~k %R~*", "get k", "OK"},
		{"+set %W~k", "set k v", "OK"},
		{"+set %W~k", "set k v get", "This user has no permissions to access the 'k' key"},
		{"+exists %W~a %R~b", "exists a b", "OK"},
		{"+@all -config|set", "config get", "OK"},
		{"+@all -config|set", "config set", "This user has no permissions to run the 'config|set' command"},
		{"+select|0", "select 0", "OK"},
		{"+select|0", "select 1", "This user has no permissions to run the 'select' command"},
		{"+select|0 -select", "select 0", "This user has no permissions to run the 'select' command"},
		{"+@all &a*", "publish ab x", "OK"},
		{"+@all &a*", "publish b x", "This user has no permissions to access the 'b' channel"},
		{"+@all &a*", "psubscribe a* ab", "This user has no permissions to access the 'ab' channel"},
		{"+@all (+get ~k)", "get k", "OK"},
		{"+get ~a (+exists ~b)", "get b", "This user has no permissions to access the 'b' key"},
		{"+exists ~a (+exists ~a ~b)", "exists a b c", "This user has no permissions to access the 'c' key"},
	} {
		r := NewRules(set, false)
		if err := r.applyAll(strings.Fields(c.rules)); err != nil {
			t.Fatal(c.rules, err)
		}
		var args [][]byte
		for _, w := range strings.Fields(c.command) {
			args = append(args, []byte(w))
		}
		spec := set.Find(args)
		if got := r.Check(spec, args).Text(spec, args); got != c.want {
			t.Errorf("%s, %s: %q, want %q", c.rules, c.command, got, c.want)
		}
	}
}

func TestPasswords(t *testing.T) {
	u := NewUsers(few())
	set := func(rules ...string) error { _, err := u.Set("a", rules); return err }
	if u.Authenticate("default", "whatever") == nil || u.Authenticate("a", "") != nil {
		t.Error("the default user has no password, others aren't there")
	}
	if err := set(">one", ">two"); err != nil || u.Authenticate("a", "one") != nil {
		t.Error("a new user is off", err)
	}
	if err := set("on"); err != nil || u.Authenticate("a", "one") == nil || u.Authenticate("a", "two") == nil || u.Authenticate("a", "three") != nil {
		t.Error("both passwords and no other", err)
	}
	if err := set("<one"); err != nil || u.Authenticate("a", "one") != nil {
		t.Error("a password that was removed", err)
	}
	if err := set("<one"); !errors.Is(err, errNoPassword) {
		t.Error(err)
	}
	if strings.Contains(u.Text(), "two") || !strings.Contains(u.Text(), Hash("two")) {
		t.Error(u.Text())
	}
	// All or nothing.
	if err := set("nopass", "+nix"); !errors.Is(err, errUnknown) || u.Authenticate("a", "x") != nil {
		t.Error(err)
	}
}

// TestDescribedOnce: rules in force are put into words once, and again after each change.
func TestDescribedOnce(t *testing.T) {
	u := NewUsers(few())
	for range 3 {
		for _, rules := range [][]string{{"on", "+get", "~x"}, {"off"}, {"~*"}, {"(+set ~y)"}, {"reset"}, {"nix"}} {
			before := ""
			if user := u.Find("a"); user != nil {
				before = user.Rules().String()
			}
			draft, _ := u.Copy()
			_, err := draft.Set("a", rules)
			if user := u.Find("a"); user != nil && user.Rules().String() != before {
				t.Errorf("%q on a copy: %s, before %s", rules, user.Rules(), before)
			}
			if _, failed := u.Set("a", rules); (failed == nil) != (err == nil) {
				t.Fatal(failed, err)
			}
			r := u.Find("a").Rules()
			if got := r.String(); got != r.describe() || got != draft.Find("a").Rules().String() || err == nil && got == before {
				t.Errorf("%q: %s, before %s", rules, got, before)
			}
		}
	}
	r := u.Find("a").Rules()
	if n := testing.AllocsPerRun(10, func() { _ = r.String() }); n != 0 {
		t.Errorf("%v allocations for what was described", n)
	}
}

func TestDeleteAndReplace(t *testing.T) {
	u := NewUsers(few())
	for _, name := range []string{"a", "b"} {
		if _, err := u.Set(name, []string{"on", "nopass", "+get", "~x"}); err != nil {
			t.Fatal(err)
		}
	}
	a, b := u.Find("a"), u.Find("b")
	text := u.Text()
	if c, err := u.Delete([]string{"a", "nix", "default", "b"}); !errors.Is(err, ErrDefault) || len(c.Gone) != 1 || !a.Gone() || b.Gone() {
		t.Error(c, err)
	}
	all, err := u.ParseText("f", text)
	if err != nil {
		t.Fatal(err)
	}
	if c := u.Replace(all); len(c.Gone) != 1 || !b.Gone() || u.Find("a") == a || u.Text() != text {
		t.Error(c.Gone, u.Text())
	}
	for _, bad := range []string{"nix", "user", "user a\nuser a", "user a +nix", "user a (+get"} {
		if _, err := u.ParseText("f", bad); err == nil || !strings.Contains(err.Error(), "no change to the previously active") {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

// FuzzRules makes sure that no rules panic, that they are read back as they are
// written, and that who may not run a command can't after that either.
func FuzzRules(f *testing.F) {
	for _, seed := range []string{"on nopass ~* &* +@all", "(+get ~k) -@all", "%R~a %W~b +select|0", "( \"a\\x41\" 'b' )", ">a <a #b !c", "+config|get|x -@read +@write", "~a) (", "%"} {
		f.Add(seed, "get k")
	}
	set := few()
	f.Fuzz(func(t *testing.T, rules, line string) {
		r := NewRules(set, false)
		for _, rule := range strings.Split(rules, " ") {
			_ = r.Apply(rule)
		}
		var args [][]byte
		for _, w := range strings.Fields(line) {
			args = append(args, []byte(w))
		}
		spec := set.Find(args)
		if spec == nil || !spec.ArityOK(len(args)) {
			return
		}
		before := r.Check(spec, args)
		again, err := ParsePermissions(set, r.Permissions())
		if err != nil {
			return // a pattern with parentheses falls apart, as in Redis
		}
		if again.Permissions() == r.Permissions() && again.Check(spec, args) != before {
			t.Errorf("%q: %v, read back %v", r.Permissions(), before, again.Check(spec, args))
		}
	})
}
