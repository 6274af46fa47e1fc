package admin

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"sort"
	"strings"
	"testing"

	"github.com/quorate/quorate/command"
	"github.com/quorate/quorate/security"
	"github.com/quorate/quorate/transport"
)

// ruleMaker makes random rules of what the server and redis-server both know.
type ruleMaker struct {
	*rand.Rand
	names []string // commands and subcommands
}

func (m *ruleMaker) pick(words ...string) string { return words[m.IntN(len(words))] }

func (m *ruleMaker) permission() string {
	all := ^command.Categories(0)
	switch m.IntN(12) {
	case 0, 1:
		return m.pick("+@", "-@") + m.pick(all.Names()...)
	case 2, 3:
		return m.pick("+", "-") + m.pick(m.names...)
	case 4:
		return m.pick("+@all", "-@all", "allcommands", "nocommands", "+@ALL")
	case 5:
		return "+" + m.pick("select|0", "SELECT|1", "get|x", "debug|object", "config|nix", "config|get|x", "select|", "nix|x", "get|a|b", "config|GET")
	case 6:
		return m.pick("~*", "allkeys", "resetkeys", "&*", "allchannels", "resetchannels")
	case 7, 8:
		return m.pick("~", "%R~", "%W~", "%rw~", "%RW~", "~", "%RR~", "%~", "%", "%R") + m.pick("a*", "k", "k?", "[ab]", "read*", "write*", "", "*")
	case 9:
		return "&" + m.pick("ch*", "ch", "k", "a*", "")
	default:
		return m.pick("+", "-") + m.pick("get", "set", "config", "client", "nix", "@nix", "GETSET", "publish", "subscribe", "")
	}
}

func (m *ruleMaker) rule() string {
	switch m.IntN(16) {
	case 0:
		return m.pick("on", "off", "nopass", "resetpass", "clearselectors", "reset", "sanitize-payload", "skip-sanitize-payload", "ON")
	case 1:
		return m.pick(">", "<") + m.pick("a", "b", "c")
	case 2:
		return m.pick("#", "!") + m.pick(security.Hash("a"), security.Hash("b"), "abc", strings.ToUpper(security.Hash("a")))
	case 3:
		inner := make([]string, m.IntN(4))
		for i := range inner {
			inner[i] = m.permission()
		}
		return m.pick("(", "(", "(", "") + strings.Join(inner, " ") + m.pick(")", ")", ")", "")
	case 4:
		return m.pick("nix", "x~y", "(", ")", "()")
	}
	return m.permission()
}

// normal brings rules into one order: which single command comes first is a
// matter of Redis's hash table.
func normal(line string) string {
	words := strings.Split(line, " ")
	single := func(w string) bool { return len(w) > 1 && (w[0] == '+' || w[0] == '-') && w[1] != '@' }
	for i := 0; i < len(words); i++ {
		j := i
		for j < len(words) && single(strings.TrimSuffix(words[j], ")")) {
			j++
		}
		if j > i {
			closed := strings.HasSuffix(words[j-1], ")")
			words[j-1] = strings.TrimSuffix(words[j-1], ")")
			sort.Strings(words[i:j])
			if closed {
				words[j-1] += ")"
			}
			i = j
		}
	}
	return strings.Join(words, " ")
}

// sampleArgs are arguments for a command that fit its arity, with keys that some
// patterns match.
func (m *ruleMaker) sampleArgs(spec *command.Spec) []string {
	args := strings.Split(spec.FullName(), "|")
	for want := max(spec.Arity, -spec.Arity) + m.IntN(3); len(args) < want; {
		args = append(args, m.pick("a1", "k", "k1", "b", "read1", "write1", "1", "2", "get", "store", "streams", "keys", "zz", "ch"))
	}
	if spec.Arity > 0 {
		args = args[:spec.Arity]
	}
	return args
}

// ownKeys are commands whose keys are looked for by what they really touch; see
// docs/divergence.md.
var ownKeys = []string{"sort", "sort_ro", "georadius", "georadiusbymember", "migrate", "pfmerge"}

// TestRulesAsRedis gives random rules to both servers' users and compares errors,
// ACL LIST and, for all commands, ACL DRYRUN.
func TestRulesAsRedis(t *testing.T) {
	ask := oracle(t)
	table := transport.NewTable((&Admin{}).Commands()...)
	users := security.NewUsers(transport.SecurityCommands(table))
	var specs []*command.Spec
	m := &ruleMaker{Rand: rand.New(rand.NewPCG(1, 7))}
	for _, n := range table.All() {
		for _, s := range append([]*command.Spec{n.Spec}, n.Spec.Subs...) {
			m.names = append(m.names, s.FullName())
			specs = append(specs, s)
		}
	}
	missing, _ := ask("COMMAND", "COUNT").(string)
	t.Logf("redis-server has %s commands, the table %d", missing, len(table.All()))
	rounds, asked := 300, 0
	if testing.Short() {
		rounds = 50
	}
	quote := func(words []string) []string {
		out := slices.Clone(words)
		for i, w := range out {
			out[i] = `"` + w + `"`
		}
		return out
	}
	for round := range rounds {
		name := fmt.Sprintf("u%d", round%20)
		rules := make([]string, m.IntN(6))
		for i := range rules {
			rules[i] = m.rule()
		}
		_, err := users.Set(name, rules)
		ours := "OK"
		if err != nil {
			ours = "ERR " + err.Error()
		}
		if theirs := ask(append([]string{"ACL", "SETUSER", name}, quote(rules)...)...); ours != theirs {
			t.Fatalf("%q: %q, in Redis %q", rules, ours, theirs)
		}
		user := users.Find(name)
		if user == nil {
			continue
		}
		for _, line := range ask("ACL", "LIST").([]any) {
			line := line.(string)
			if strings.HasPrefix(line, "user "+name+" ") && normal(line) != normal(user.Line()) {
				t.Fatalf("%q:\n%s, in Redis\n%s", rules, normal(user.Line()), normal(line))
			}
		}
		again, err := security.ParsePermissions(users.Commands, user.Rules().Permissions())
		if err != nil || again.Permissions() != user.Rules().Permissions() {
			t.Fatalf("%s is not read back: %v", user.Rules().Permissions(), err)
		}
		for range 60 {
			spec := specs[m.IntN(len(specs))]
			args := m.sampleArgs(spec)
			if len(spec.Subs) > 0 || slices.Contains(ownKeys, args[0]) {
				continue
			}
			raw := make([][]byte, len(args))
			for i, a := range args {
				raw[i] = []byte(a)
			}
			asked++
			ours := user.Rules().Check(spec, raw).Text(spec, raw)
			if theirs := ask(append([]string{"ACL", "DRYRUN", name}, quote(args)...)...); ours != theirs {
				t.Errorf("%s, %q: %q, in Redis %q", user.Line(), args, ours, theirs)
			}
			if a, b := user.Rules().Check(spec, raw), again.Check(spec, raw); a != b {
				t.Errorf("%s, %q: %v, and %v when read back", user.Line(), args, a, b)
			}
		}
	}
	t.Logf("%d answers of DRYRUN compared", asked)
}
