package config

import (
	"errors"
	"reflect"
	"strings"
	"sync"
	"testing"
)

// setErrors are CONFIG SET arguments and the error of redis-server 7.0.15,
// started with enable-protected-configs no. "" is OK.
var setErrors = []struct{ args, want string }{
	{"foo 1", "Unknown option or number of arguments for CONFIG SET - 'foo'"},
	{"fo\x00o 1", "Unknown option or number of arguments for CONFIG SET - 'fo'"},
	{"FOO 1", "Unknown option or number of arguments for CONFIG SET - 'FOO'"},
	{"include foo", "Unknown option or number of arguments for CONFIG SET - 'include'"},
	{"foo 1 timeout", "syntax error"},
	{"timeout 1 timeout 2", "CONFIG SET failed (possibly related to argument 'timeout') - duplicate parameter"},
	{"timeout 1 TIMEOUT 2", "CONFIG SET failed (possibly related to argument 'TIMEOUT') - duplicate parameter"},
	{"timeout 1 timeout 2 foo 3", "CONFIG SET failed (possibly related to argument 'timeout') - duplicate parameter"},
	{"databases 16", "CONFIG SET failed (possibly related to argument 'databases') - can't set immutable config"},
	{"DATABASES 1", "CONFIG SET failed (possibly related to argument 'DATABASES') - can't set immutable config"},
	{"TIMEOUT abc", "CONFIG SET failed (possibly related to argument 'timeout') - argument couldn't be parsed into an integer"},
	{"databases 1 foo 2", "CONFIG SET failed (possibly related to argument 'databases') - can't set immutable config"},
	{"foo 2 databases 1", "Unknown option or number of arguments for CONFIG SET - 'foo'"},
	{"dbfilename a.rdb", "CONFIG SET failed (possibly related to argument 'dbfilename') - can't set protected config"},
	{"timeout abc", "CONFIG SET failed (possibly related to argument 'timeout') - argument couldn't be parsed into an integer"},
	{"timeout 5 appendonly foo", "CONFIG SET failed (possibly related to argument 'appendonly') - argument must be 'yes' or 'no'"},
	{"timeout 2147483648", "CONFIG SET failed (possibly related to argument 'timeout') - argument must be between 0 and 2147483647 inclusive"},
	{"hash-max-ziplist-entries a", "CONFIG SET failed (possibly related to argument 'hash-max-ziplist-entries') - argument couldn't be parsed into an integer"},
	{"hash-max-ziplist-entries 1 hash-max-listpack-entries 2", ""},
	{"save a", "CONFIG SET failed (possibly related to argument 'save') - Invalid save parameters"},
	{"loglevel foo", "CONFIG SET failed (possibly related to argument 'loglevel') - argument(s) must be one of the following: debug, verbose, notice, warning"},
	{"loglevel VERBOSE", ""},
	{"slowlog-max-len 05", "CONFIG SET failed (possibly related to argument 'slowlog-max-len') - argument couldn't be parsed into an integer"},
	{"slowlog-max-len -5", "CONFIG SET failed (possibly related to argument 'slowlog-max-len') - argument must be between 0 and 9223372036854775807 inclusive"},
	{"proto-max-bulk-len 2m", ""},
	{"proto-max-bulk-len 1mB", ""},
	{"proto-max-bulk-len 99999999b", ""},
	{"proto-max-bulk-len 1000kb", "CONFIG SET failed (possibly related to argument 'proto-max-bulk-len') - argument must be between 1048576 and 9223372036854775807 inclusive"},
	{"hash-max-listpack-value kb", ""},
	{"hash-max-listpack-value 64\x00x", ""},
	{"hash-max-listpack-value -kb", "CONFIG SET failed (possibly related to argument 'hash-max-listpack-value') - argument must be a memory value"},
	{"proto-max-bulk-len 1e9", "CONFIG SET failed (possibly related to argument 'proto-max-bulk-len') - argument must be a memory value"},
	{"list-max-listpack-size -200", ""},
	{"tcp-keepalive -1", "CONFIG SET failed (possibly related to argument 'tcp-keepalive') - argument must be between 0 and 2147483647 inclusive"},
}

func TestSetErrors(t *testing.T) {
	c := mustLoad(t, "")
	for _, tc := range setErrors {
		err := c.Set(strings.Fields(tc.args), true)
		if got := errText(err); got != tc.want {
			t.Errorf("%s: %q, want %q", tc.args, got, tc.want)
		}
	}
	if c.Current().Timeout != 0 {
		t.Error("a refused CONFIG SET changed timeout")
	}
}

func errText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

func TestSetMulti(t *testing.T) {
	c := mustLoad(t, "")
	for _, tc := range []struct{ name, raw, want, err string }{
		{"save", "900 1 300 10", "900 1 300 10", ""},
		{"save", "1 1  2 2", "900 1 300 10", "Invalid save parameters"}, // Redis splits at every space
		{"save", " 1 1 ", "900 1 300 10", "Invalid save parameters"},
		{"save", "", "", ""},
		{"save", "7 0", "7 0", ""},
		{"client-output-buffer-limit", "normal 1mb 2mb 3", "normal 1048576 2097152 3 slave 268435456 67108864 60 pubsub 33554432 8388608 60", ""},
		{"client-output-buffer-limit", "replica 1 2 3 pubsub 1 1 1", "normal 1048576 2097152 3 slave 1 2 3 pubsub 1 1 1", ""},
		{"client-output-buffer-limit", "normal 5 5 5 master 1 1 1", "normal 1048576 2097152 3 slave 1 2 3 pubsub 1 1 1", "Invalid client class"},
		{"client-output-buffer-limit", "normal 1 1 -1", "normal 1048576 2097152 3 slave 1 2 3 pubsub 1 1 1", "Error in hard"},
	} {
		err := c.Set([]string{tc.name, tc.raw}, false)
		if (err == nil) != (tc.err == "") || !strings.Contains(errText(err), tc.err) {
			t.Errorf("%s %q: %v", tc.name, tc.raw, err)
		}
		if got := value1(t, c, tc.name); got != tc.want {
			t.Errorf("%s %q gave %q, want %q", tc.name, tc.raw, got, tc.want)
		}
	}
}

func TestProtected(t *testing.T) {
	args := []string{"dbfilename", "x.rdb"}
	if err := mustLoad(t, "enable-protected-configs yes").Set(args, false); err != nil {
		t.Error(err)
	}
	local := mustLoad(t, "enable-protected-configs local")
	if err := local.Set(args, false); !errors.Is(err, errProtected) {
		t.Error(err)
	}
	if err := local.Set(args, true); err != nil {
		t.Error(err)
	}
}

func TestHooks(t *testing.T) {
	c := mustLoad(t, "")
	if err := c.Set([]string{"port", "7001"}, true); !errors.Is(err, errNoHook) {
		t.Errorf("a port nobody can move: %v", err)
	}
	if err := c.Set([]string{"port", "6379"}, true); err != nil {
		t.Errorf("the value it has: %v", err)
	}
	var calls []int64
	c.OnApply(func(old, next *Settings) error {
		calls = append(calls, old.Port, next.Port)
		return nil
	}, "port")
	refusal := errors.New("Failed to bind to specified addresses.")
	c.OnApply(func(_, next *Settings) error {
		if next.Bind[0] == "1.2.3.4" {
			return refusal
		}
		return nil
	}, "bind")
	var seen []int64
	c.OnChange("port", func(s *Settings) { seen = append(seen, s.Port) })
	c.OnChange("timeout", func(*Settings) { t.Error("timeout did not change") })

	err := c.Set([]string{"port", "7001", "timeout", "9", "bind", "1.2.3.4"}, true)
	if errText(err) != "CONFIG SET failed (possibly related to argument 'bind') - "+refusal.Error() {
		t.Error(err)
	}
	if want := []int64{6379, 7001, 7001, 6379}; !reflect.DeepEqual(calls, want) {
		t.Errorf("the port must be moved and moved back: %v", calls)
	}
	if s := c.Current(); s.Port != 6379 || s.Timeout != 0 || s.Bind[0] != "*" || len(seen) != 0 {
		t.Errorf("not rolled back: port %d timeout %d bind %q seen %v", s.Port, s.Timeout, s.Bind, seen)
	}
	if err := c.Set([]string{"port", "7001", "timeout", "0", "bind", "127.0.0.1"}, true); err != nil {
		t.Error(err)
	}
	if s := c.Current(); s.Port != 7001 || s.Bind[0] != "127.0.0.1" || !reflect.DeepEqual(seen, []int64{7001}) {
		t.Errorf("port %d bind %q seen %v", s.Port, s.Bind, seen)
	}
}

// TestSetAtomic has readers look for a state between two CONFIG SETs.
func TestSetAtomic(t *testing.T) {
	c := mustLoad(t, "timeout 1\ntcp-keepalive 1")
	stop := make(chan struct{})
	var readers sync.WaitGroup
	for range 4 {
		readers.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				if s := c.Current(); s.Timeout != s.TCPKeepAlive {
					t.Errorf("timeout %d with tcp-keepalive %d", s.Timeout, s.TCPKeepAlive)
					return
				}
			}
		})
	}
	for i := range 500 {
		v := formatInt(int64(i))
		if err := c.Set([]string{"timeout", v, "tcp-keepalive", v}, true); err != nil {
			t.Error(err)
		}
	}
	close(stop)
	readers.Wait()
}

func TestGet(t *testing.T) {
	c := mustLoad(t, "")
	names := func(patterns ...string) string {
		var out []string
		for _, p := range c.Get(patterns...) {
			out = append(out, p.Name)
		}
		return strings.Join(out, " ")
	}
	for _, tc := range []struct{ patterns, want string }{
		{"timeout", "timeout"},
		{"TIMEOUT timeout TIME*", "TIMEOUT"},
		{"nosuch", ""},
		{"timeou[s-u]", "timeout"},
		{"[a-", ""},
		{`p\ort`, ""},
		{`p\ort*`, "port"},
		{"hash-max-ziplist-entries", "hash-max-ziplist-entries"},
		{"hash-max-*", "hash-max-listpack-entries hash-max-listpack-value hash-max-ziplist-entries hash-max-ziplist-value"},
		{"save port", "save port"},
	} {
		if got := names(strings.Fields(tc.patterns)...); got != tc.want {
			t.Errorf("%s: %s, want %s", tc.patterns, got, tc.want)
		}
	}
	unseen := 0
	for _, d := range byName {
		if d.flags&(hidden|lineOnly) != 0 {
			unseen++
		}
	}
	if n := len(c.Get("*")); n != len(byName)-unseen {
		t.Errorf("* gave %d of %d", n, len(byName))
	}
}

// TestSetBack sets every mutable directive to its own value, as the Redis suite does.
func TestSetBack(t *testing.T) {
	c := mustLoad(t, "enable-protected-configs yes")
	for _, p := range c.Get("*") {
		if byName[p.Name].flags&immutable != 0 {
			continue
		}
		if err := c.Set([]string{p.Name, p.Value}, true); err != nil {
			t.Error(err)
		}
	}
}
