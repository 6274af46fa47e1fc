// Package docs keeps the generated documents up to date.
package docs

import (
	"bytes"
	"cmp"
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/quorate/quorate/admin"
	"github.com/quorate/quorate/command"
	"github.com/quorate/quorate/transport"
)

var update = flag.Bool("update", false, "write the documents instead of comparing them")

const (
	document = "../../docs/commands.md"
	// oracle is what COMMAND LIST of redis-server 7.0.15 prints, subcommands included.
	oracle = "testdata/redis-7.0.15-commands.txt"
)

// differs says what is different about a command; docs/divergence.md has the
// reasons. A name that is in neither table is an error.
var differs = map[string]string{
	"bgsave":       "in cluster mode also of the Raft groups this node has",
	"cluster|info": "epochs are terms of Raft",
	"debug":        "the subcommands that `DEBUG HELP` lists",
	"info":         "a section of our own; no figures about forks and the replication backlog",
	"memory|usage": "an estimate of this server's own",
	"save":         "doesn't stop the server",
	"set":          "acknowledged when a majority of replicas has it on disk, as every write",
	"shutdown":     "hands leadership over first",
	"zrandmember":  "a reply above 64 MiB is refused",
}

// TestCommandsDocument compares docs/commands.md with the command table:
// go test ./test/docs -update writes it.
func TestCommandsDocument(t *testing.T) {
	redis := redisCommands(t)
	want := render(t, redis)
	if *update {
		if err := os.WriteFile(document, want, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	got, err := os.ReadFile(document)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Error("docs/commands.md is not what the command table says; go test ./test/docs -update writes it")
	}
}

// redisCommands returns the names of Redis's commands, "object|freq" for a subcommand.
func redisCommands(t *testing.T) map[string]bool {
	data, err := os.ReadFile(oracle)
	if err != nil {
		t.Fatal(err)
	}
	names := map[string]bool{}
	for _, name := range strings.Fields(string(data)) {
		names[name] = true
	}
	if len(names) < 300 {
		t.Fatalf("%d commands in %s", len(names), oracle)
	}
	return names
}

type row struct {
	spec *command.Spec
	subs []string
}

func render(t *testing.T, redis map[string]bool) []byte {
	table := transport.NewTable((&admin.Admin{}).Commands()...)
	groups, have := map[string][]row{}, map[string]bool{}
	for _, n := range table.All() {
		have[n.Spec.FullName()] = true
		r := row{spec: n.Spec}
		for _, s := range transport.Subcommands(n) {
			have[s.Spec.FullName()] = true
			r.subs = append(r.subs, strings.ToUpper(s.Spec.Name))
		}
		groups[n.Spec.Group] = append(groups[n.Spec.Group], r)
	}
	for name := range differs {
		if !have[name] {
			t.Errorf("%s is said to differ and doesn't exist", name)
		}
	}
	var missing, own []string
	for name := range redis {
		if !have[name] {
			missing = append(missing, name)
		}
	}
	for name := range have {
		if !redis[name] {
			own = append(own, name)
		}
	}

	var b bytes.Buffer
	fmt.Fprintf(&b, "# Commands\n\nGenerated from the command table by `go test ./test/docs -update`; don't edit. Redis 7.0.15 has %d commands and subcommands,\n"+
		"Quorate has %d of them. What differs beyond the notes here is in [divergence.md](divergence.md).\n", len(redis), len(redis)-len(missing))
	for _, group := range sortedKeys(groups) {
		rows := groups[group]
		slices.SortFunc(rows, func(a, b row) int { return cmp.Compare(a.spec.Name, b.spec.Name) })
		fmt.Fprintf(&b, "\n## %s\n\n| command | since | what it does | different here |\n|---|---|---|---|\n", cmp.Or(group, "other"))
		for _, r := range rows {
			name, notes := "`"+r.spec.Name+"`", []string{}
			if note := differs[r.spec.FullName()]; note != "" {
				notes = append(notes, note)
			}
			if len(r.subs) > 0 {
				slices.Sort(r.subs)
				name += " " + strings.Join(r.subs, ", ")
				for _, s := range r.subs {
					if note := differs[r.spec.FullName()+"|"+strings.ToLower(s)]; note != "" {
						notes = append(notes, s+": "+note)
					}
				}
			}
			fmt.Fprintf(&b, "| %s | %s | %s | %s |\n", name, r.spec.Since, strings.ReplaceAll(r.spec.Summary, "|", "\\|"), strings.Join(notes, "; "))
		}
	}
	list(&b, "Missing", "Commands of Redis 7.0.15 that Quorate refuses as unknown.", missing)
	list(&b, "Not in Redis", "Commands that redis-server's COMMAND LIST doesn't have.", own)
	return b.Bytes()
}

func list(b *bytes.Buffer, title, what string, names []string) {
	slices.Sort(names)
	fmt.Fprintf(b, "\n## %s\n\n%s\n\n", title, what)
	if len(names) == 0 {
		b.WriteString("None.\n")
		return
	}
	for _, n := range names {
		fmt.Fprintf(b, "- `%s`\n", strings.ToUpper(strings.ReplaceAll(n, "|", " ")))
	}
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
