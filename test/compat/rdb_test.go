package compat

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/quorate/quorate/test/harness"
	"github.com/quorate/quorate/test/wire"
)

// roundTripCommands is how many commands of the generator make the data that goes
// round, next to one value of each shape.
const roundTripCommands = 20000

// TestRDBRoundTrip has data go by files from redis-server to the server under test, back,
// and once more: nothing may change on the way, however keys are held, expire or were used.
func TestRDBRoundTrip(t *testing.T) {
	for _, policy := range []string{"noeviction", "allkeys-lru", "volatile-lfu"} {
		t.Run(policy, func(t *testing.T) {
			trip := &roundTrip{t: t, policy: policy, seed: *seedFlag}
			if trip.seed == 0 {
				trip.seed = rand.Uint64N(1e9)
			}
			t.Logf("seed %d", trip.seed)
			first := trip.start(harness.Redis{}, "")
			trip.fill(first)
			want := trip.look(first)
			last := first
			for _, kind := range []harness.Kind{harness.Quorate{}, harness.Redis{}, harness.Quorate{}, harness.Redis{}} {
				next := trip.start(kind, trip.saved(last))
				if kind == (harness.Quorate{}) {
					trip.dumps(first, next)
				}
				got := trip.look(next)
				if got.digest != want.digest {
					t.Errorf("%T: digest %s, at first %s\n%s", kind, got.digest, want.digest, got.firstDifference(want))
				}
				if !slices.Equal(got.functions, want.functions) {
					t.Errorf("%T: functions %q, at first %q", kind, got.functions, want.functions)
				}
				trip.compareUse(fmt.Sprintf("%T", kind), got, want)
				last = next
			}
			t.Logf("%d keys", len(want.keys))
		})
	}
}

type roundTrip struct {
	t      *testing.T
	policy string
	seed   uint64
}

// station is a server on the way of the data.
type station struct {
	*wire.Conn
	cluster *harness.Cluster
	dir     string
}

// start starts a server that begins with a file, "" for none.
func (trip *roundTrip) start(kind harness.Kind, file string) *station {
	trip.t.Helper()
	dir := trip.t.TempDir()
	if file != "" {
		b, err := os.ReadFile(file)
		if err != nil {
			trip.t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, "dump.rdb"), b, 0o600); err != nil {
			trip.t.Fatal(err)
		}
	}
	if _, err := kind.Binary(); err != nil {
		trip.t.Skip(err)
	}
	c := harness.New(trip.t, harness.Options{Kind: kind, Nodes: 1, Args: append([]string{"--dir", dir,
		"--maxmemory-policy", trip.policy, "--lfu-decay-time", "0", "--appendfsync", "no", "--save", ""}, debugArgs...)})
	return &station{dial(trip.t.Context(), trip.t, c.Addr(0)), c, dir}
}

// saved returns the file of a server after SAVE, or for the last but one after its end.
func (trip *roundTrip) saved(s *station) string {
	trip.t.Helper()
	must(trip.t, s.Conn, "SAVE")
	return filepath.Join(s.dir, "dump.rdb")
}

// fill makes the data.
func (trip *roundTrip) fill(s *station) {
	t := trip.t
	for db := range 16 {
		must(t, s.Conn, "SELECT", strconv.Itoa(db))
		for _, args := range shapes(db) {
			must(t, s.Conn, args...)
		}
		g, err := NewGenerator(trip.seed+uint64(db), split(*familiesFlag), split(*skipFlag))
		if err != nil {
			t.Fatal(err)
		}
		steps := slices.DeleteFunc(g.Steps(roundTripCommands/16), func(s Step) bool {
			waits := strings.HasPrefix(s.name(), "B") && !strings.HasPrefix(s.name(), "BIT") || s.name() == "WAIT" ||
				slices.ContainsFunc(s.Args, func(a string) bool { return strings.EqualFold(a, "BLOCK") })
			return waits || strings.HasPrefix(s.name(), "FLUSH") || s.name() == "SWAPDB" || s.name() == "SELECT"
		})
		sendTo(t, s.cluster.Addr(0), db, steps)
	}
	must(t, s.Conn, "CONFIG", "SET", "hash-max-listpack-entries", "512", "hash-max-listpack-value", "64", "list-max-listpack-size", "-2",
		"list-compress-depth", "0", "set-max-intset-entries", "512", "zset-max-listpack-entries", "128", "zset-max-listpack-value", "64",
		"stream-node-max-bytes", "4096", "stream-node-max-entries", "100", "hll-sparse-max-bytes", "3000", "maxmemory-policy", trip.policy, "save", "")
	must(t, s.Conn, "DEBUG", "QUICKLIST-PACKED-THRESHOLD", "0")
	must(t, s.Conn, "FUNCTION", "LOAD", "REPLACE", "#!lua name=roundtrip\nredis.register_function('roundtrip', function() return 1 end)")
	// Nothing expires on the way.
	base := time.Now().Add(100 * time.Hour).UnixMilli()
	for n, k := range trip.keys(s) {
		must(t, s.Conn, "SELECT", strconv.Itoa(k.db))
		ttl := must(t, s.Conn, "PTTL", k.name)
		if !strings.HasPrefix(ttl, ":-1") {
			must(t, s.Conn, "PEXPIREAT", k.name, strconv.FormatInt(base+int64(n)*1001, 10))
		}
		if n%3 == 0 { // as if it had been used otherwise
			payload, err := s.Do("DUMP", k.name)
			if err != nil {
				t.Fatal(err)
			}
			option, value := "IDLETIME", strconv.Itoa(1000*n)
			if strings.HasSuffix(trip.policy, "lfu") {
				option, value = "FREQ", strconv.Itoa(n%256)
			}
			if !payload.IsError() && payload.Str != nil {
				must(t, s.Conn, "RESTORE", k.name, "0", string(payload.Str), "REPLACE", option, value)
			}
		}
	}
	// What Redis doesn't keep when it loads its own file isn't asked for: a score of -0 in
	// a sorted set that has shrunk.
	must(t, s.Conn, "DEBUG", "RELOAD")
}

// shapes returns commands for one value of each shape that the format knows.
func shapes(db int) (out [][]string) {
	add := func(args ...string) { out = append(out, args) }
	numbers := func(from, to int) (s []string) {
		for i := from; i < to; i++ {
			s = append(s, strconv.Itoa(i))
		}
		return s
	}
	long := strings.Repeat("compressible ", 50)
	add("SET", "shape:int", strconv.Itoa(db))
	add("SET", "shape:int64", "1234567890123")
	add("SET", "shape:embstr", "short")
	add("SET", "shape:raw", long)
	add("SET", "shape:binary", "\x00\xff\r\n\x80")
	add("SET", "12345", "a key that is a number")
	add("SET", long, "a long key")
	add("APPEND", "shape:appended", "1")
	add(append([]string{"PFADD", "shape:hll"}, numbers(0, 50)...)...)
	add(append([]string{"RPUSH", "shape:list"}, numbers(0, 20)...)...)
	add(append([]string{"RPUSH", "shape:large list"}, numbers(0, 5000)...)...)
	add("RPUSH", "shape:list of large elements", strings.Repeat("x", 9000), long, strings.Repeat("y", 9000))
	add(append([]string{"SADD", "shape:intset"}, numbers(0, 300)...)...)
	add(append([]string{"SADD", "shape:set of numbers"}, numbers(0, 700)...)...)
	add("SADD", "shape:set", "a", "b", long)
	add("HSET", "shape:hash", "f", "v", "17", "-5", "g", "short")
	add("HSET", "shape:hash table", "f", long, "g", "17")
	add(append([]string{"HSET", "shape:large hash"}, numbers(0, 1200)...)...)
	add("ZADD", "shape:zset", "1", "a", "-inf", "b", "+inf", "c", "2.5", "d", "1e300", "17")
	var scores []string
	for i := range 300 {
		scores = append(scores, strconv.FormatFloat(float64(i)/7, 'g', -1, 64), fmt.Sprint("m", i))
	}
	add(append([]string{"ZADD", "shape:large zset"}, scores...)...)
	add("ZADD", "shape:zset of a long member", "1", long)
	add("GEOADD", "shape:geo", "13.361389", "38.115556", "Palermo", "15.087269", "37.502669", "Catania")
	for i := range 250 {
		add("XADD", "shape:stream", fmt.Sprintf("%d-%d", 1+i/10, i), "field", strconv.Itoa(i), "text", long[:i%60])
	}
	add("XDEL", "shape:stream", "1-3", "2-15", "25-249")
	add("XGROUP", "CREATE", "shape:stream", "g", "0")
	add("XGROUP", "CREATE", "shape:stream", "h", "5-50", "ENTRIESREAD", "17")
	add("XREADGROUP", "GROUP", "g", "alice", "COUNT", "7", "STREAMS", "shape:stream", ">")
	add("XREADGROUP", "GROUP", "g", "bob", "COUNT", "7", "STREAMS", "shape:stream", ">")
	add("XACK", "shape:stream", "g", "1-1")
	add("XGROUP", "CREATECONSUMER", "shape:stream", "g", "carol")
	add("XADD", "shape:empty stream", "5-5", "f", "v")
	add("XTRIM", "shape:empty stream", "MAXLEN", "0")
	add("SET", "shape:expires", "v", "PX", "360000000")
	return out
}

// sendTo is send for a database.
func sendTo(t *testing.T, addr string, db int, steps []Step) {
	t.Helper()
	conn := dial(t.Context(), t, addr)
	defer conn.Close()
	must(t, conn, "SELECT", strconv.Itoa(db))
	for _, s := range steps {
		if s.Pause > 0 {
			continue
		}
		if _, err := conn.Do(s.Args...); err != nil {
			t.Fatalf("%s: %v", s, err)
		}
	}
}

// where is a key's place.
type where struct {
	db   int
	name string
}

// seen is what there is to see of a key.
type seen struct{ digest, encoding, expiry, use string }

type view struct {
	digest    string
	functions []string
	keys      map[where]seen
	at        time.Time
}

func (trip *roundTrip) keys(s *station) (all []where) {
	trip.t.Helper()
	for db := range 16 {
		must(trip.t, s.Conn, "SELECT", strconv.Itoa(db))
		r, err := s.Do("KEYS", "*")
		if err != nil {
			trip.t.Fatal(err)
		}
		names := r.Strings()
		slices.Sort(names)
		for _, name := range names {
			all = append(all, where{db, name})
		}
	}
	return all
}

func (trip *roundTrip) look(s *station) view {
	t := trip.t
	t.Helper()
	v := view{digest: must(t, s.Conn, "DEBUG", "DIGEST"), keys: map[where]seen{}, at: time.Now()}
	use := []string{"OBJECT", "IDLETIME"}
	if strings.HasSuffix(trip.policy, "lfu") {
		use[1] = "FREQ"
	}
	for _, k := range trip.keys(s) {
		must(t, s.Conn, "SELECT", strconv.Itoa(k.db))
		one := seen{use: must(t, s.Conn, append(use, k.name)...)} // before anything else uses it
		one.digest = must(t, s.Conn, "DEBUG", "DIGEST-VALUE", k.name)
		one.encoding = must(t, s.Conn, "OBJECT", "ENCODING", k.name)
		one.expiry = must(t, s.Conn, "PEXPIRETIME", k.name)
		v.keys[k] = one
	}
	r, err := s.Do("FUNCTION", "LIST", "WITHCODE")
	if err != nil {
		t.Fatal(err)
	}
	for _, lib := range r.Elems {
		for i, e := range lib.Elems {
			if string(e.Str) == "library_code" {
				v.functions = append(v.functions, string(lib.Elems[i+1].Str))
			}
		}
	}
	slices.Sort(v.functions)
	return v
}

func (v view) firstDifference(want view) string {
	for k, w := range want.keys {
		if got, ok := v.keys[k]; !ok || got.digest != w.digest {
			return fmt.Sprintf("database %d, key %.80q: %v, at first %v", k.db, k.name, got, w)
		}
	}
	return fmt.Sprintf("%d keys, at first %d", len(v.keys), len(want.keys))
}

// compareUse compares encodings, expiries, and what is known of accesses.
func (trip *roundTrip) compareUse(who string, got, want view) {
	number := func(reply string) int {
		n, _ := strconv.Atoi(strings.TrimSpace(strings.TrimPrefix(reply, ":")))
		return n
	}
	elapsed, bad := int(got.at.Sub(want.at).Seconds()), 0
	for k, w := range want.keys {
		g := got.keys[k]
		same := g.encoding == w.encoding && g.expiry == w.expiry
		switch idle := number(g.use) - number(w.use); trip.policy {
		case "volatile-lfu":
			same = same && idle == 0
		case "allkeys-lru":
			same = same && idle >= -2 && idle <= elapsed+2
		default: // the file doesn't tell
			same = same && number(g.use) <= elapsed+2
		}
		if !same && bad < 10 {
			bad++
			trip.t.Errorf("%s, database %d, key %.80q: %q, at first %q", who, k.db, k.name, g, w)
		}
	}
}

// dumps carries every value from one server to the other with DUMP and RESTORE, both ways.
func (trip *roundTrip) dumps(redis, quorate *station) {
	t := trip.t
	t.Helper()
	if trip.policy != "noeviction" { // once is enough
		return
	}
	for _, k := range trip.keys(redis) {
		for _, s := range []*station{redis, quorate} {
			must(t, s.Conn, "SELECT", strconv.Itoa(k.db))
		}
		want := must(t, redis.Conn, "DEBUG", "DIGEST-VALUE", k.name)
		if strings.HasPrefix(must(t, redis.Conn, "PTTL", k.name), ":-1") {
			for from, to := range map[*station]*station{redis: quorate, quorate: redis} {
				payload, err := from.Do("DUMP", k.name)
				if err != nil {
					t.Fatal(err)
				}
				must(t, to.Conn, "RESTORE", "a copy", "0", string(payload.Str), "REPLACE")
				if got := must(t, to.Conn, "DEBUG", "DIGEST-VALUE", "a copy"); got != want {
					t.Errorf("database %d, key %.80q: a copy has the digest %s, not %s", k.db, k.name, got, want)
				}
				must(t, to.Conn, "DEL", "a copy")
			}
		}
	}
}
