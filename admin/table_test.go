package admin

import (
	"bufio"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"sort"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/quorate/quorate/command"
	"github.com/quorate/quorate/transport"
)

// differs are the commands that are described otherwise on purpose.
var differs = map[string]string{
	"cluster":  "what changes a cluster is missing",
	"function": "functions are missing",
}

// oracle starts a redis-server and returns what sends a command and parses the reply.
func oracle(t *testing.T) func(args ...string) any {
	t.Helper()
	bin, err := exec.LookPath("redis-server")
	if err != nil {
		t.Skip("no redis-server")
	}
	dir, err := os.MkdirTemp("", "admin")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	sock := filepath.Join(dir, "s")
	cmd := exec.Command(bin, "--port", "0", "--unixsocket", sock, "--save", "", "--dir", dir)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() })
	var conn net.Conn
	for deadline := time.Now().Add(10 * time.Second); ; {
		if conn, err = net.Dial("unix", sock); err == nil {
			break
		} else if time.Now().After(deadline) {
			t.Fatal(err)
		}
	}
	t.Cleanup(func() { conn.Close() })
	r := bufio.NewReader(conn)
	return func(args ...string) any {
		fmt.Fprintf(conn, "%s\r\n", strings.Join(args, " "))
		v, err := parseReply(r)
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func parseReply(r *bufio.Reader) (any, error) {
	line, err := r.ReadString('\n')
	if err != nil {
		return nil, err
	}
	kind, line := line[0], line[1:len(line)-2]
	n, _ := strconv.Atoi(line)
	switch kind {
	case '$':
		b := make([]byte, max(n, -2)+2)
		for i := range b {
			if b[i], err = r.ReadByte(); err != nil {
				return nil, err
			}
		}
		return strings.TrimSuffix(string(b), "\r\n"), nil
	case '*':
		list := make([]any, max(n, 0))
		for i := range list {
			if list[i], err = parseReply(r); err != nil {
				return nil, err
			}
		}
		return list, nil
	}
	return line, nil
}

func words(v any) string {
	list, _ := v.([]any)
	out := make([]string, len(list))
	for i, w := range list {
		out[i] = fmt.Sprint(w)
	}
	sort.Strings(out)
	return strings.Join(out, " ")
}

func sorted(list []string, prefix string) string {
	out := make([]string, len(list))
	for i, w := range list {
		out[i] = prefix + w
	}
	sort.Strings(out)
	return strings.Join(out, " ")
}

// TestTableAsRedis compares arity, flags, categories and tips with COMMAND INFO
// of redis-server, and that no subcommand is missing.
func TestTableAsRedis(t *testing.T) {
	ask := oracle(t)
	compared := 0
	var compare func(spec *command.Spec, name string, theirs []any)
	compare = func(spec *command.Spec, name string, theirs []any) {
		compared++
		ours := []string{strconv.Itoa(spec.Arity), sorted(spec.Flags.Names(), ""), sorted(spec.Categories().Names(), "@"), sorted(spec.Tips, "")}
		for i, want := range []string{fmt.Sprint(theirs[1]), words(theirs[2]), words(theirs[6]), words(theirs[7])} {
			if ours[i] != want {
				t.Errorf("%s: %q, in Redis %q", name, ours[i], want)
			}
		}
	}
	a := &Admin{}
	for _, c := range a.Commands() {
		name := strings.ToLower(c.Name)
		if differs[name] != "" {
			continue
		}
		list, _ := ask("COMMAND", "INFO", name).([]any)
		theirs, _ := list[0].([]any)
		if theirs == nil {
			t.Errorf("%s: not in Redis", name)
			continue
		}
		compare(&c.Spec, name, theirs)
		subs := map[string]*transport.Command{}
		for _, sub := range c.Sub {
			subs[name+"|"+strings.ToLower(sub.Name)] = sub
		}
		for _, v := range theirs[9].([]any) {
			sub := v.([]any)
			full := fmt.Sprint(sub[0])
			if ours := subs[full]; ours != nil {
				compare(&ours.Spec, full, sub)
			} else if full != "memory|usage" && full != "memory|help" { // those are in fsm
				t.Errorf("%s is missing", full)
			}
			delete(subs, full)
		}
		for full := range subs {
			t.Errorf("%s: not in Redis", full)
		}
	}
	if compared < 40 {
		t.Errorf("compared %d", compared)
	}
}
