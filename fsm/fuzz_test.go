package fsm

import (
	"bytes"
	"fmt"
	"hash/fnv"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"
)

// Bounds of one input of FuzzCommands.
const (
	fuzzInput    = 1 << 16          // bytes; more are left alone
	fuzzCommands = 150              // so many run
	fuzzArgs     = 120              // of a command; MGET of a key named often replies much
	fuzzBulk     = 1 << 14          // proto-max-bulk-len, so that growth ends early
	fuzzReply    = 8 << 20          // bytes that one reply may have at the most
	fuzzTime     = 20 * time.Second // that one command may take on a busy machine
)

// FuzzCommands runs sequences of commands with any arguments on two replicas: no
// command may panic, take long, reply without end or let the replicas differ.
//
// An input is text like a script under testdata: a command a line, quoted as in
// redis-cli. "# advance 100" moves the time on, "# db 1" changes the database.
// A word that names no command stands for one all the same, and arguments are
// added or left out until the arity fits: whatever fuzzing does to a line,
// something runs. The scripts are the seeds.
func FuzzCommands(f *testing.F) {
	for _, path := range scriptFiles(f) {
		b, err := os.ReadFile(path)
		if err != nil {
			f.Fatal(err)
		}
		var seed strings.Builder
		for _, line := range strings.Split(string(b), "\n") {
			if rest, ok := strings.CutPrefix(line, "> "); ok && len(rest) < 1000 {
				fmt.Fprintln(&seed, rest)
			} else if strings.HasPrefix(line, "# advance") {
				fmt.Fprintln(&seed, line)
			}
		}
		f.Add([]byte(seed.String()))
	}
	var all []*Command
	everyCommand(func(c *Command, _ string) {
		if len(c.Sub) == 0 {
			all = append(all, c)
		}
	})
	f.Fuzz(func(t *testing.T, input []byte) {
		if len(input) > fuzzInput {
			return
		}
		runFuzzed(t, all, input)
	})
}

// runFuzzed runs one input.
func runFuzzed(t *testing.T, all []*Command, input []byte) {
	p := newPair(t, Options{Databases: 3})
	p.apply(0, Limit("proto-max-bulk-len", fuzzBulk))
	db, left := 0, fuzzCommands
	for line := range bytes.Lines(input) {
		text := strings.TrimRight(string(line), "\r\n")
		if n, ok := directive(text, "# advance "); ok {
			p.now += int64(n)
			continue
		}
		if n, ok := directive(text, "# db "); ok {
			db = n % 3
			continue
		}
		args, err := splitArgs(text)
		if err != nil || len(args) == 0 {
			continue
		}
		if left--; left < 0 {
			break
		}
		args = fuzzedCommand(all, args[:min(len(args), fuzzArgs)])
		start := time.Now()
		reply := p.do(db, args)
		if took := time.Since(start); took > fuzzTime {
			t.Fatalf("%.200q took %v", args, took)
		}
		if len(reply) == 0 || len(reply) > fuzzReply {
			t.Fatalf("%.200q: a reply of %d bytes", args, len(reply))
		}
		if _, rest := render(reply, false); len(rest) > 0 {
			t.Fatalf("%.200q: %.200q behind the reply", args, rest)
		}
	}
	p.compare()
	restored, err := Restore(bytes.NewReader(snapshot(t, p.leader)), Options{Databases: 3})
	if err != nil {
		t.Fatalf("a snapshot that can't be restored: %v", err)
	}
	if restored.Digest() != p.leader.Digest() {
		t.Fatal("another digest after a snapshot")
	}
}

// directive returns the number behind a prefix.
func directive(line, prefix string) (int, bool) {
	rest, ok := strings.CutPrefix(line, prefix)
	if !ok {
		return 0, false
	}
	n, err := strconv.ParseUint(rest, 10, 20)
	return int(n), err == nil
}

// fuzzedCommand makes a command that a session would let through.
func fuzzedCommand(all []*Command, args [][]byte) [][]byte {
	c, _ := findCommand(args)
	if c == nil && commandTable().Find(args[0]) == nil {
		h := fnv.New32a()
		h.Write(args[0])
		c = all[h.Sum32()%uint32(len(all))]
		args = append(named(c), args[1:]...)
	}
	if c == nil { // wrong number of arguments, or no such subcommand
		n := commandTable().Find(args[0])
		if n.IsContainer() {
			return args
		}
		c = n.Item
	}
	for len(args) < max(c.Arity, -c.Arity) {
		args = append(args, []byte(strconv.Itoa(len(args))))
	}
	if c.Arity > 0 {
		args = args[:c.Arity]
	}
	return args
}
