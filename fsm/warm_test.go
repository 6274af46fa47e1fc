package fsm

import "testing"

// TestKeyIsFirst: where the table says that a command's first argument is its
// first key, it is, for any number of arguments. Replicas check slots by that,
// those that have warmed up for the command and those that haven't alike.
func TestKeyIsFirst(t *testing.T) {
	first := 0
	var check func(c *Command)
	check = func(c *Command) {
		if c == nil {
			return
		}
		if c.KeyIsFirst() {
			first++
			for n := 2; n < 12; n++ {
				for _, word := range []string{"1", "2", "x", "KEYS", "STORE", "STREAMS"} {
					args := make([][]byte, n)
					for i := range args {
						args[i] = []byte(word)
					}
					if !c.ArityOK(n) {
						continue
					}
					if keys, _ := c.AppendKeys(nil, args); len(keys) > 0 && keys[0] != 1 {
						t.Errorf("%s with %d arguments %q: the first key is argument %d", c.Name, n, word, keys[0])
					} else if len(keys) == 0 {
						t.Errorf("%s with %d arguments %q has no key", c.Name, n, word)
					}
				}
			}
		}
		check(c.Logged)
		for _, s := range c.Sub {
			check(s)
		}
	}
	for _, c := range Commands() {
		check(c)
	}
	for _, c := range internalCommands {
		check(c)
	}
	if first < 100 {
		t.Errorf("%d commands have their key first", first)
	}
}
