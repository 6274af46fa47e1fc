package e2e

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/quorate/quorate/test/harness"
	"github.com/quorate/quorate/test/wire"
)

// A server loads for as long as a test wants if the file that it loads is a pipe
// whose other end the test has.

// tap is a pipe at a file's path with that file's content behind it.
type tap struct {
	t       *testing.T
	pipe    *os.File
	content []byte
	wg      sync.WaitGroup
}

// newTap puts a pipe at path, out of which the first half of content comes.
func newTap(t *testing.T, path string, content []byte) *tap {
	t.Helper()
	must(t, syscall.Mkfifo(path, 0o600))
	// For reading too, so that it doesn't wait for the server to open it.
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	must(t, err)
	p := &tap{t: t, pipe: f, content: content}
	half := len(content) / 2
	p.write(content[:half])
	p.content = content[half:]
	t.Cleanup(func() {
		f.Close()
		p.wg.Wait()
	})
	return p
}

// write writes in a goroutine of its own, as a pipe doesn't take much.
func (p *tap) write(b []byte) {
	p.wg.Add(1)
	// Ends when the server has read all, or when the pipe closes.
	go func() {
		defer p.wg.Done()
		if _, err := p.pipe.Write(b); err != nil && !errors.Is(err, os.ErrClosed) {
			p.t.Error(err)
		}
	}()
}

// open lets the rest through.
func (p *tap) open() {
	p.wg.Wait()
	p.write(p.content)
	p.wg.Wait()
	must(p.t, p.pipe.Close()) // the server comes to the end of the file
}

// rdbFile returns an RDB file of redis-server, larger than what a pipe holds, and its digest.
func rdbFile(t *testing.T) (content []byte, digest string) {
	t.Helper()
	tool(t, "redis-server")
	r := harness.New(t, harness.Options{Kind: harness.Redis{}, Nodes: 1, Args: []string{"--enable-debug-command", "yes", "--rdbcompression", "no"}})
	text(t, r.Addr(0), "DEBUG", "POPULATE", "2000", "key", "1000")
	text(t, r.Addr(0), "SET", "expires", "later", "PX", "100000000")
	text(t, r.Addr(0), "SAVE")
	content, err := os.ReadFile(filepath.Join(r.Node(0).Dir(), "dump.rdb"))
	must(t, err)
	return content, text(t, r.Addr(0), "DEBUG", "DIGEST")
}

// startProcess starts a server without waiting for it to serve, and returns its address.
func startProcess(t *testing.T, path, dir string, args ...string) (*harness.Process, string) {
	t.Helper()
	ports, err := harness.FreePorts(1, 0)
	must(t, err)
	args = append([]string{"--port", fmt.Sprint(ports[0]), "--dir", dir, "--bind", "127.0.0.1", "--enable-debug-command", "yes",
		"--slowlog-log-slower-than", "-1"}, args...) // what is slow depends on the machine
	p := harness.NewProcess(filepath.Base(path), dir, path, args...)
	must(t, p.Start())
	t.Cleanup(func() {
		if t.Failed() {
			t.Log(p.LogTail(20))
		}
		must(t, p.Kill())
		must(t, os.Remove(p.LogPath()))
	})
	return p, harness.Addr(ports[0])
}

// startLoading starts a node in plain mode that loads out of a tap.
func startLoading(t *testing.T, content []byte) (*harness.Process, string, *tap) {
	t.Helper()
	bin, err := harness.Binary()
	must(t, err)
	dir := filepath.Join(t.TempDir(), "node")
	must(t, os.Mkdir(dir, 0o700))
	pipe := newTap(t, filepath.Join(dir, "dump.rdb"), content)
	p, addr := startProcess(t, bin, dir, "--quorate-metrics-port", "0")
	eventually(t, "keys are being loaded", func() error {
		info, err := ask(addr, "INFO", "persistence")
		if err == nil && !strings.Contains(string(info.Str), "loading:1\r\n") || strings.Contains(string(info.Str), "loading_loaded_bytes:0\r\n") {
			err = fmt.Errorf("INFO persistence: %s", info.Str)
		}
		return err
	})
	return p, addr, pipe
}

// TestLoadingLikeRedis compares what clients are told while a server loads.
func TestLoadingLikeRedis(t *testing.T) {
	t.Parallel()
	content, digest := rdbFile(t)

	// redis-server reads as slowly as it is told to.
	theirDir := filepath.Join(t.TempDir(), "redis")
	must(t, os.Mkdir(theirDir, 0o700))
	must(t, os.WriteFile(filepath.Join(theirDir, "dump.rdb"), content, 0o600))
	_, theirs := startProcess(t, tool(t, "redis-server"), theirDir, "--save", "",
		"--key-load-delay", "20000", "--loading-process-events-interval-bytes", "1024")
	eventually(t, "redis-server loads", func() error {
		r, err := ask(theirs, "INFO", "persistence")
		if err == nil && !strings.Contains(string(r.Str), "loading:1\r\n") {
			err = errors.New("it doesn't say so")
		}
		return err
	})
	p, ours, pipe := startLoading(t, content)

	session := func(addr string, commands [][]string) (replies []string) {
		conn, err := wire.Dial(t.Context(), addr, askTimeout)
		must(t, err)
		defer conn.Close()
		for _, c := range commands {
			r, err := conn.Do(c...)
			if err != nil {
				replies = append(replies, "closed")
				break
			}
			replies = append(replies, string(r.Raw))
		}
		return replies
	}
	for _, commands := range [][]string{
		{"PING"}, {"GET k"}, {"SET k v"}, {"nonsense"}, {"GET"}, {"DBSIZE"}, {"KEYS *"}, {"FLUSHALL"}, {"SCAN 0"}, {"RANDOMKEY"},
		{"ECHO x"}, {"SELECT 1", "SELECT 99"}, {"SWAPDB 0 1"}, {"TIME x"}, {"QUIT"}, {"RESET"},
		{"AUTH x"}, {"AUTH default x"}, {"HELLO 9"}, {"HELLO 3 SETNAME"},
		{"MULTI", "EXEC"}, {"MULTI", "GET k", "EXEC"}, {"MULTI", "ECHO x", "EXEC"}, {"MULTI", "GET k", "DISCARD"}, {"EXEC"}, {"MULTI", "PING", "ECHO y", "EXEC"},
		{"WATCH", "UNWATCH"}, {"UNWATCH"}, {"CONFIG GET maxmemory-samples"}, {"CONFIG SET maxmemory-samples 5"}, {"CONFIG RESETSTAT"},
		{"CLIENT SETNAME me", "CLIENT GETNAME"}, {"CLIENT NO-EVICT on"}, {"CLIENT KILL ID 999999"}, {"CLIENT TRACKING ON"}, {"CLIENT REPLY"},
		{"SUBSCRIBE c"}, {"PUBLISH c m"}, {"PUBSUB CHANNELS"}, {"SUBSCRIBE c", "GET k"}, {"SPUBLISH c m"},
		{"EVAL return(1) 0"}, {"SCRIPT LOAD return(1)"}, {"SCRIPT EXISTS x"}, {"SCRIPT HELP x"}, {"FUNCTION LIST"}, {"FUNCTION STATS"}, {"FCALL f 0"},
		{"OBJECT ENCODING k"}, {"OBJECT HELP x"}, {"MEMORY USAGE k"}, {"DEBUG SLEEP 0"}, {"DEBUG ERROR x"}, {"DEBUG"},
		{"SAVE"}, {"BGSAVE"}, {"BGREWRITEAOF"}, {"SHUTDOWN ABORT"}, {"SHUTDOWN x"}, {"WAIT 0 0"}, {"SLOWLOG LEN"}, {"LATENCY RESET"},
		{"ACL WHOAMI"}, {"ACL USERS"}, {"COMMAND COUNT x"}, {"REPLICAOF NO ONE"}, {"ROLE x"}, {"BLPOP l 1"}, {"XREAD STREAMS s 0"}, {"CLUSTER INFO"},
		{"MONITOR"}, {"LOLWUT VERSION"}, {"PFSELFTEST"}, {"MODULE LIST"}, {"READONLY"}, {"ASKING"}, {"MIGRATE h 1 k 0 1"},
	} {
		var split [][]string
		for _, c := range commands {
			split = append(split, strings.Fields(c))
		}
		if got, want := session(ours, split), session(theirs, split); !slices.Equal(got, want) {
			t.Errorf("%q: %q, redis-server %q", commands, got, want)
		}
	}

	loadingFields := func(addr string) (names []string) {
		for line := range strings.Lines(text(t, addr, "INFO", "persistence")) {
			if name, _, _ := strings.Cut(strings.TrimSpace(line), ":"); strings.Contains(name, "loading") {
				names = append(names, name)
			}
		}
		return names
	}
	if got, want := loadingFields(ours), loadingFields(theirs); !slices.Equal(got, want) {
		t.Errorf("INFO persistence while loading: %v, redis-server %v", got, want)
	}
	if usedMemory := "loading_rdb_used_mem:"; field(text(t, ours, "INFO", "persistence"), usedMemory) != field(text(t, theirs, "INFO", "persistence"), usedMemory) {
		t.Error("another " + usedMemory)
	}
	eventually(t, "the log tells of the loading", func() error {
		if log := p.LogTail(20); !strings.Contains(log, `loading: from="RDB file"`) {
			return errors.New(log)
		}
		return nil
	})

	pipe.open()
	eventually(t, "the node serves", func() error { _, err := ask(ours, "PING"); return err })
	if d := text(t, ours, "DEBUG", "DIGEST"); d != digest {
		t.Errorf("digest %s, redis-server has %s", d, digest)
	}
	if got := loadingFields(ours); !slices.Equal(got, []string{"loading", "async_loading"}) {
		t.Errorf("INFO persistence behind the loading: %v", got)
	}
}

// field returns what stands behind a name in INFO.
func field(info, name string) string {
	_, rest, _ := strings.Cut(info, name)
	value, _, _ := strings.Cut(rest, "\r\n")
	return value
}

// TestStopWhileLoading: SIGTERM and SHUTDOWN end a node that loads, and the next start
// begins anew.
func TestStopWhileLoading(t *testing.T) {
	t.Parallel()
	content, digest := rdbFile(t)
	for name, end := range map[string]func(p *harness.Process, addr string) error{
		"SIGTERM": func(p *harness.Process, _ string) error { return p.Signal(syscall.SIGTERM) },
		"SHUTDOWN SAVE": func(_ *harness.Process, addr string) error {
			if r, err := ask(addr, "SHUTDOWN", "SAVE"); err == nil {
				return fmt.Errorf("SHUTDOWN was answered: %q", r.Raw)
			}
			return nil
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p, addr, _ := startLoading(t, content)
			must(t, end(p, addr))
			eventually(t, "the node ends", func() error {
				if p.Running() {
					return errors.New("it runs")
				}
				return nil
			})
			if p.ExitCode() != 0 {
				t.Errorf("exit status %d", p.ExitCode())
			}
			path := filepath.Join(p.Dir(), "dump.rdb")
			must(t, os.Remove(path))
			must(t, os.WriteFile(path, content, 0o600))
			must(t, p.Start())
			eventually(t, "the node serves", func() error { _, err := ask(addr, "PING"); return err })
			if d := text(t, addr, "DEBUG", "DIGEST"); d != digest {
				t.Errorf("digest %s, want %s", d, digest)
			}
		})
	}
}

// TestFollowerLoads has one replica of a cluster load: its node sends clients elsewhere or
// says that it loads, and the others go on.
func TestFollowerLoads(t *testing.T) {
	t.Parallel()
	c := startNodes(t)
	own := homes(t, c)
	value := noise(1000)
	for _, h := range own {
		pipelined(t, c.Addr(h.node), 400, func(i int) []string { return []string{"SET", h.key("load", i), value} })
	}
	replicasAgree(t, c)
	text(t, c.Addr(2), "SAVE")
	must(t, c.Terminate(2))

	// Of the group that node 0 leads: the first map numbers them as the nodes.
	const group = "group-1"
	files, err := filepath.Glob(filepath.Join(c.Node(2).Dir(), "quorate-data", group, "snapshots", "*", "state.bin"))
	must(t, err)
	if len(files) != 1 {
		t.Fatalf("snapshots of %s: %v", group, files)
	}
	content, err := os.ReadFile(files[0])
	must(t, err)
	must(t, os.Remove(files[0]))
	pipe := newTap(t, files[0], content)
	must(t, c.Restart(2))

	addr := c.Addr(2)
	key := own[0].key("load", 0)
	eventually(t, "the node says that it loads", func() error {
		conn, err := wire.Dial(t.Context(), addr, askTimeout)
		if err != nil {
			return err
		}
		defer conn.Close()
		if r, err := conn.Do("READONLY"); err != nil || r.IsError() {
			return fmt.Errorf("READONLY: %s %v", r.Str, err)
		}
		if r, err := conn.Do("GET", key); err != nil || string(r.Str) != "LOADING Redis is loading the dataset in memory" {
			return fmt.Errorf("GET of the group that loads: %.80s %v", r.Str, err)
		}
		return nil
	})
	if info := text(t, addr, "INFO", "persistence"); !strings.Contains(info, "loading:1\r\n") {
		t.Errorf("INFO: %s", info)
	}
	if _, err := ask(addr, "DBSIZE"); err == nil || !strings.Contains(err.Error(), "LOADING") {
		t.Errorf("DBSIZE: %v", err)
	}
	for i := range 2 {
		key := own[i].key("load", 0)
		// Before the node knows the map, it loads whatever one asks for.
		eventually(t, fmt.Sprintf("it sends to node %d", i), func() error {
			if _, err := ask(addr, "GET", key); err == nil || !strings.Contains(err.Error(), "MOVED") {
				return fmt.Errorf("GET: %v", err)
			}
			return nil
		})
		if got := text(t, c.Addr(i), "GET", key); got != value {
			t.Errorf("node %d: another value", i)
		}
		if n := text(t, c.Addr(i), "SET", own[i].key("load", 1000), "meanwhile"); n != "OK" {
			t.Errorf("SET on node %d: %s", i, n)
		}
	}
	pipe.open()
	must(t, os.WriteFile(files[0]+".again", content, 0o600))
	must(t, os.Rename(files[0]+".again", files[0]))
	eventually(t, "the node has loaded", func() error {
		info, err := ask(addr, "INFO", "persistence")
		if err == nil && !strings.Contains(string(info.Str), "loading:0\r\n") {
			err = errors.New("loading")
		}
		return err
	})
	must(t, c.WaitReady(context.Background()))
	replicasAgree(t, c)
}
