package security

import "testing"

func TestSync(t *testing.T) {
	u := NewUsers(few())
	if _, err := u.Set("a", []string{"on", "nopass"}); err != nil {
		t.Fatal(err)
	}
	a := u.Find("a")
	draft, revision := u.Copy()
	if _, err := draft.Set("b", []string{"on", ">x", "+get"}); err != nil || u.Find("b") != nil || revision != 0 {
		t.Fatal("a change of the copy is none of the users", err)
	}
	all := map[string]string{}
	for _, user := range draft.All() {
		all[user.Name] = user.Rules().String()
	}
	if c := u.Sync(1, all); len(c.Gone)+len(c.Limited) != 0 || u.Text() != draft.Text() || u.Find("a") != a {
		t.Errorf("%+v %s", c, u.Text())
	}
	delete(all, "a")
	all["b"] = "on nopass +nix"
	if c := u.Sync(1, all); len(c.Gone) != 0 {
		t.Error("an old revision")
	}
	if c := u.Sync(2, all); len(c.Gone) != 1 || !a.Gone() || len(c.Limited) != 1 || u.Authenticate("b", "x") != nil {
		t.Errorf("%+v: rules that can't be read must allow nothing", c)
	}
}
