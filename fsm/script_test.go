package fsm

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

var (
	updateScripts = flag.Bool("update", false, "write what the machine replies into the scripts under testdata")
	oracleScripts = flag.Bool("oracle", false, "write what redis-server replies into the scripts under testdata")
)

// A script under testdata/<group>/<command>.txt tests a command. Its lines:
//
//	> SET k v              a command, quoted as in redis-cli, and under it the
//	OK                     reply in the notation of render
//	~ set 0 "k"            with "# events on": a keyspace event, its database and key
//	# now 1700000000000    the time, Unix ms (a script begins at scriptTime)
//	# advance 1500         moves it on
//	# db 1                 the database from here on
//	# proto 3              the version of RESP from here on
//	# limit name value     a threshold, by the name of its directive
//	# sort                 the elements of the next reply have no order
//	# differs why          Redis replies something else to the next command
//	## anything            a comment
type script struct {
	path  string
	items []scriptItem
}

// scriptItem is a line of a script: a command, a directive or neither.
type scriptItem struct {
	line    string
	args    [][]byte // of a command
	want    []string // the reply to it
	words   []string // of a directive
	sorted  bool
	differs bool
}

func readScript(t *testing.T, path string) *script {
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	s := &script{path: path}
	sorted, differs := false, false
	for n, line := range strings.Split(strings.TrimRight(string(b), "\n"), "\n") {
		switch {
		case strings.HasPrefix(line, "> "):
			args, err := splitArgs(line[2:])
			if err != nil {
				t.Fatalf("%s:%d: %v", path, n+1, err)
			}
			s.items = append(s.items, scriptItem{line: line, args: args, sorted: sorted, differs: differs})
			sorted, differs = false, false
		case strings.HasPrefix(line, "# "):
			words := strings.Fields(line[2:])
			s.items = append(s.items, scriptItem{line: line, words: words})
			sorted = sorted || words[0] == "sort"
			differs = differs || words[0] == "differs"
		case line != "" && !strings.HasPrefix(line, "##") && len(s.items) > 0 && s.items[len(s.items)-1].args != nil:
			last := &s.items[len(s.items)-1]
			last.want = append(last.want, line)
		default:
			s.items = append(s.items, scriptItem{line: line})
		}
	}
	return s
}

// write replaces the script's file.
func (s *script) write(t *testing.T) {
	var b strings.Builder
	for i := range s.items {
		fmt.Fprintln(&b, s.items[i].line)
		for _, line := range s.items[i].want {
			fmt.Fprintln(&b, line)
		}
	}
	if err := os.WriteFile(s.path, []byte(b.String()), 0o644); err != nil {
		t.Fatal(err)
	}
}

// scriptRunner is what a script runs on: two machines, or redis-server.
type scriptRunner interface {
	setTime(ms int64)
	setProto(version int)
	setLimit(name, value string)
	setEvents(on bool)
	// run returns the reply and the events in their notation.
	run(db int, args [][]byte) (reply []byte, events []string)
}

// play runs the script and calls check with what every command replied.
func (s *script) play(t *testing.T, r scriptRunner, check func(item *scriptItem, got []string)) {
	now, db := int64(scriptTime), 0
	r.setTime(now)
	r.setProto(2)
	r.setEvents(false)
	for i := range s.items {
		item := &s.items[i]
		if item.args != nil {
			reply, events := r.run(db, item.args)
			got, rest := render(reply, item.sorted)
			if len(rest) > 0 {
				t.Errorf("%s: %s: %q after the reply", s.path, item.line, rest)
			}
			for _, e := range events {
				got = append(got, "~ "+e)
			}
			check(item, got)
			continue
		}
		if len(item.words) == 0 {
			continue
		}
		number := func() int64 {
			n, err := strconv.ParseInt(item.words[1], 10, 64)
			if err != nil {
				t.Fatalf("%s: %s: %v", s.path, item.line, err)
			}
			return n
		}
		switch item.words[0] {
		case "now":
			now = number()
			r.setTime(now)
		case "advance":
			now += number()
			r.setTime(now)
		case "db":
			db = int(number())
		case "proto":
			r.setProto(int(number()))
		case "limit":
			r.setLimit(item.words[1], item.words[2])
		case "events":
			r.setEvents(item.words[1] == "on")
		case "sort", "differs":
		default:
			t.Fatalf("%s: no such directive: %s", s.path, item.line)
		}
	}
}

// pairRunner runs scripts on two machines.
type pairRunner struct {
	*pair
	withEvents bool
}

func (r *pairRunner) setTime(ms int64)     { r.now = ms }
func (r *pairRunner) setProto(version int) { r.proto = version }
func (r *pairRunner) setEvents(on bool)    { r.withEvents = on }

func (r *pairRunner) setLimit(name, value string) {
	n, err := strconv.Atoi(value)
	if err != nil || r.leader.LimitNamed(name) == nil {
		r.t.Fatalf("no such limit: %s %s", name, value)
	}
	r.apply(0, Limit(name, n))
}

func (r *pairRunner) run(db int, args [][]byte) ([]byte, []string) {
	r.events = [2][]string{}
	reply := r.do(db, args)
	r.compare()
	if !r.withEvents {
		return reply, nil
	}
	return reply, r.events[0]
}

func scriptFiles(t testing.TB) []string {
	files, err := filepath.Glob("testdata/*/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no scripts: %v", err)
	}
	return files
}

// checkReply compares a reply with the script's, or takes it over.
func checkReply(t *testing.T, s *script, update bool) func(item *scriptItem, got []string) {
	return func(item *scriptItem, got []string) {
		if update {
			item.want = got
		} else if !slices.Equal(item.want, got) {
			t.Errorf("%s: %s\n  want %s\n  got  %s", s.path, item.line, strings.Join(item.want, "\n       "), strings.Join(got, "\n       "))
		}
	}
}

// TestScripts runs every script on a leader and a follower.
func TestScripts(t *testing.T) {
	for _, path := range scriptFiles(t) {
		t.Run(strings.TrimSuffix(path[len("testdata/"):], ".txt"), func(t *testing.T) {
			s := readScript(t, path)
			s.play(t, &pairRunner{pair: newPair(t, Options{})}, checkReply(t, s, *updateScripts))
			if *updateScripts {
				s.write(t)
			}
		})
	}
}

// TestScriptsOnRedis runs every script on redis-server, so that the scripts say
// what Redis does wherever they don't say that we differ.
func TestScriptsOnRedis(t *testing.T) {
	r := startRedis(t, true)
	for _, path := range scriptFiles(t) {
		t.Run(strings.TrimSuffix(path[len("testdata/"):], ".txt"), func(t *testing.T) {
			r.reset(t)
			s := readScript(t, path)
			check := checkReply(t, s, *oracleScripts)
			s.play(t, r, func(item *scriptItem, got []string) {
				if !item.differs {
					check(item, got)
				}
			})
			if *oracleScripts {
				s.write(t)
			}
		})
	}
}
