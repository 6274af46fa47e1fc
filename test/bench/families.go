package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync"
	"text/tabwriter"
	"time"

	"github.com/quorate/quorate/test/harness"
)

// -families measures commands of every family on one node that doesn't wait for
// the disk: what is measured is the protocol and the state machine.

// familyCase is one command. In commands {k} stands for the number of a random
// key, {m} for a random small number, and {v} for a value of 100 bytes.
type familyCase struct {
	family  string
	setup   []string // run for each of the familyKeys keys, with that key's number for {k}
	command string
}

const (
	familyKeys     = 1000
	familyMembers  = 100
	familyClients  = 50
	familyPipeline = 16
)

// many returns a command with its tail repeated, {m} counting up.
func many(head, tail string, n int) string {
	var b strings.Builder
	b.WriteString(head)
	for i := range n {
		b.WriteString(" " + strings.ReplaceAll(tail, "{m}", strconv.Itoa(i)))
	}
	return b.String()
}

var familyCases = []familyCase{
	{"string", nil, "SET s:{k} {v}"},
	{"string", []string{"SET s:{k} {v}"}, "GET s:{k}"},
	{"string", nil, "INCR n:{k}"},
	{"string", nil, "SETEX e:{k} 1000 {v}"},
	{"string", []string{"SET s:{k} {v}"}, "GETRANGE s:{k} 10 20"},
	{"string", nil, "SETRANGE r:{k} 50 abc"},
	{"string", nil, many("MSET", "{s}:{m} {v}", 10)},
	{"string", []string{"SET s:{k} {v}"}, "MGET s:{k} s:{m} s:1 s:2 s:3 s:4 s:5 s:6 s:7 s:8"},
	{"keys", []string{"SET s:{k} {v}"}, "EXISTS s:{k}"},
	{"keys", []string{"SET s:{k} {v}"}, "EXPIRE s:{k} 1000"},
	{"keys", []string{"SET s:{k} {v}"}, "TTL s:{k}"},
	{"keys", []string{"SET s:{k} {v}"}, "DUMP s:{k}"},
	{"keys", []string{"SET s:{k} {v}"}, "COPY s:{k} c:{k} REPLACE"},
	{"hash", nil, "HSET h:{k} f{m} {v}"},
	{"hash", []string{many("HSET h:{k}", "f{m} {v}", 20)}, "HGET h:{k} f{m}"},
	{"hash", []string{many("HSET ha:{k}", "f{m} {v}", 10)}, "HGETALL ha:{k}"},
	{"hash", nil, "HINCRBY hn:{k} f{m} 1"},
	{"list", nil, "LPUSH l:{k} {v}"},
	{"list", []string{many("RPUSH lm:{k}", "{v}", familyMembers)}, "LMOVE lm:{k} lm:{k} LEFT RIGHT"},
	{"list", []string{many("RPUSH lr:{k}", "{v}", familyMembers)}, "LRANGE lr:{k} 0 9"},
	{"list", []string{many("RPUSH lr:{k}", "{v}", familyMembers)}, "LINDEX lr:{k} {m}"},
	{"set", nil, "SADD t:{k} m{m}"},
	{"set", []string{many("SADD t:{k}", "m{m}", familyMembers)}, "SISMEMBER t:{k} m{m}"},
	{"set", []string{many("SADD t:{k}", "m{m}", familyMembers)}, "SRANDMEMBER t:{k} 3"},
	{"set", []string{many("SADD t:{k}", "m{m}", familyMembers)}, "SINTERCARD 2 t:{k} t:{m}"},
	{"zset", nil, "ZADD z:{k} {m} m{m}"},
	{"zset", nil, "ZINCRBY z:{k} 1 m{m}"},
	{"zset", []string{many("ZADD zb:{k}", "{m} m{m}", 200)}, "ZADD zb:{k} {m} m{m}"},
	{"zset", []string{many("ZADD zb:{k}", "{m} m{m}", 200)}, "ZRANGE zb:{k} 0 9 WITHSCORES"},
	{"zset", []string{many("ZADD zb:{k}", "{m} m{m}", 200)}, "ZRANGE zb:{k} {m} 200 BYSCORE LIMIT 0 10"},
	{"zset", []string{many("ZADD zb:{k}", "{m} m{m}", 200)}, "ZRANK zb:{k} m{m}"},
	{"bits", nil, "SETBIT b:{k} {m} 1"},
	{"bits", nil, "GETBIT b:{k} {m}"},
	{"bits", []string{"SETBIT bc:{k} 8191 1"}, "BITCOUNT bc:{k}"},
	{"bits", nil, "BITFIELD bf:{k} INCRBY u16 #{m} 1"},
	{"hyperloglog", nil, "PFADD p:{k} m{m}"},
	{"hyperloglog", []string{many("PFADD p:{k}", "m{m}", familyMembers)}, "PFCOUNT p:{k}"},
	{"geo", nil, "GEOADD g:{k} 13.{m} 38.{m} m{m}"},
	{"geo", []string{many("GEOADD g:{k}", "13.{m} 38.{m} m{m}", familyMembers)}, "GEODIST g:{k} m1 m{m}"},
	{"geo", []string{many("GEOADD g:{k}", "13.{m} 38.{m} m{m}", familyMembers)}, "GEOSEARCH g:{k} FROMLONLAT 13.5 38.5 BYRADIUS 10 km COUNT 5"},
	{"stream", nil, "XADD x:{k} MAXLEN ~ 100 * f {v}"},
	{"stream", []string{"XADD xr:{k} * f 1", "XADD xr:{k} * f 2"}, "XRANGE xr:{k} - + COUNT 10"},
	{"stream", []string{"XADD xr:{k} * f 1"}, "XREAD COUNT 1 STREAMS xr:{k} 0"},
	{"sort", []string{many("RPUSH ls:{k}", "{m}", familyMembers)}, "SORT ls:{k} LIMIT 0 10"},
	{"script", []string{"SET s:{k} {v}"}, "EVAL return\x00redis.call('get',KEYS[1]) 1 s:{k}"},
	{"script", nil, "EVAL return\x00redis.call('incr',KEYS[1]) 1 sn:{k}"},
	{"pubsub", nil, "PUBLISH channel {v}"},
}

// familySample is one measurement of one case on one target.
type familySample struct {
	rate float64 // commands per second
	cpu  float64 // microseconds of the server's processor time per command
}

// familyResult is one case on one target, per round.
type familyResult []familySample

func (r familyResult) rate() float64 {
	return middle(r, func(s familySample) float64 { return s.rate })
}
func (r familyResult) cpu() float64 {
	return middle(r, func(s familySample) float64 { return s.cpu })
}

// middle returns the median of one figure over the rounds.
func middle(r familyResult, figure func(familySample) float64) float64 {
	if len(r) == 0 {
		return 0
	}
	all := make([]float64, len(r))
	for i, s := range r {
		all[i] = figure(s)
	}
	slices.Sort(all)
	return all[len(all)/2]
}

// wanted reports whether one of the words, separated by bars, is in the case's
// family or command.
func (c familyCase) wanted(words string) bool {
	for w := range strings.SplitSeq(words, "|") {
		if strings.Contains(c.family+" "+c.command, w) {
			return true
		}
	}
	return false
}

// runFamilies measures every case on one Quorate node and one redis-server,
// neither with persistence, and prints the ratios, the worst first.
func runFamilies(ctx context.Context, o options, only string, out, progress io.Writer) (err error) {
	type server struct {
		name    string
		cluster *harness.Cluster
	}
	var servers []server
	for _, s := range []struct {
		name string
		kind harness.Kind
		args []string
	}{{"quorate", harness.Quorate{}, []string{"--appendfsync", "no", "--save", ""}}, {"redis", harness.Redis{}, nil}} {
		c, err := harness.Start(ctx, harness.Options{Kind: s.kind, Nodes: 1, Dir: o.dir, Args: s.args})
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, c.Stop()) }()
		servers = append(servers, server{s.name, c})
	}
	var cases []familyCase
	for _, c := range familyCases {
		if c.wanted(only) {
			cases = append(cases, c)
		}
	}
	results := make([][2]familyResult, len(cases))
	refused := make([]string, len(cases))
	for round := range o.rounds {
		for i, c := range cases {
			if refused[i] != "" {
				continue
			}
			for k := range servers {
				k = (k + round) % len(servers)
				sample, problem, err := runFamily(ctx, servers[k].cluster, c, o.window)
				if err != nil {
					return fmt.Errorf("%s on %s: %w", c.command, servers[k].name, err)
				}
				if problem != "" {
					refused[i] = servers[k].name + ": " + problem
					continue
				}
				results[i][k] = append(results[i][k], sample)
			}
			fmt.Fprintf(progress, "round %d  %-12s %.40s\n", round+1, c.family, c.command)
		}
	}
	order := make([]int, len(cases))
	ratio := func(i int) float64 { return results[i][0].rate() / max(results[i][1].rate(), 1) }
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int {
		switch ra, rb := ratio(a), ratio(b); {
		case ra < rb:
			return -1
		case ra > rb:
			return 1
		}
		return 0
	})
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "ratio\tquorate/s\tredis/s\tquorate CPU us\tredis CPU us\tfamily\tcommand")
	for _, i := range order {
		command := strings.ReplaceAll(cases[i].command, "\x00", " ")
		if refused[i] != "" {
			fmt.Fprintf(w, "-\t\t\t\t\t%s\t%.50s\t%s\n", cases[i].family, command, refused[i])
			continue
		}
		fmt.Fprintf(w, "%.2f\t%.0f\t%.0f\t%.2f\t%.2f\t%s\t%.50s\n", ratio(i), results[i][0].rate(), results[i][1].rate(),
			results[i][0].cpu(), results[i][1].cpu(), cases[i].family, command)
	}
	return w.Flush()
}

// runFamily prepares the keys and measures, or returns the first error reply.
func runFamily(ctx context.Context, cluster *harness.Cluster, c familyCase, window time.Duration) (s familySample, problem string, err error) {
	addr := cluster.Addr(0)
	conn, err := dialFamily(ctx, addr)
	if err != nil {
		return s, "", err
	}
	defer conn.Close()
	setup := append([]string{"FLUSHALL"}, c.setup...)
	for i, line := range setup {
		t := newTemplate(line)
		n := familyKeys
		if i == 0 {
			n = 1
		}
		for k := range n {
			if problem, err := conn.do([]*template{t}, func() int { return k }); err != nil || problem != "" {
				return s, problem, err
			}
		}
	}
	t := newTemplate(c.command)
	batch := slices.Repeat([]*template{t}, familyPipeline)
	before, err := harness.CPUTime(cluster.Pids())
	if err != nil {
		return s, "", err
	}
	var mu sync.Mutex
	var wg sync.WaitGroup
	total := 0
	start := time.Now()
	for i := range familyClients {
		wg.Go(func() {
			n, p, e := familyClient(ctx, addr, batch, uint64(i), start.Add(window))
			mu.Lock()
			defer mu.Unlock()
			total += n
			err = errors.Join(err, e)
			if problem == "" {
				problem = p
			}
		})
	}
	wg.Wait()
	took := time.Since(start)
	after, cpuErr := harness.CPUTime(cluster.Pids())
	s.rate = float64(total) / took.Seconds()
	s.cpu = float64((after - before).Microseconds()) / float64(max(total, 1))
	return s, problem, errors.Join(err, cpuErr)
}

func familyClient(ctx context.Context, addr string, batch []*template, seed uint64, end time.Time) (n int, problem string, err error) {
	conn, err := dialFamily(ctx, addr)
	if err != nil {
		return 0, "", err
	}
	defer conn.Close()
	r := rand.New(rand.NewPCG(seed, 7))
	for time.Now().Before(end) {
		if problem, err = conn.do(batch, func() int { return r.IntN(familyKeys) }); err != nil || problem != "" {
			return n, problem, err
		}
		n += len(batch)
	}
	return n, "", nil
}

// template is a command with holes.
type template struct{ words [][]byte }

func newTemplate(s string) *template {
	s = strings.ReplaceAll(s, "{s}", "mset{k}")
	t := &template{}
	for _, w := range strings.Fields(s) {
		w = strings.ReplaceAll(strings.ReplaceAll(w, "\x00", " "), "{v}", value)
		t.words = append(t.words, []byte(w))
	}
	return t
}

// append appends the command for a key's number.
func (t *template) append(dst []byte, k, m int) []byte {
	dst = append(strconv.AppendInt(append(dst, '*'), int64(len(t.words)), 10), '\r', '\n')
	var word []byte
	for _, w := range t.words {
		if bytes.IndexByte(w, '{') >= 0 && len(w) < valueBytes {
			word = bytes.ReplaceAll(w, []byte("{k}"), strconv.AppendInt(nil, int64(k), 10))
			word = bytes.ReplaceAll(word, []byte("{m}"), strconv.AppendInt(nil, int64(m), 10))
			w = word
		}
		dst = append(strconv.AppendInt(append(dst, '$'), int64(len(w)), 10), '\r', '\n')
		dst = append(append(dst, w...), '\r', '\n')
	}
	return dst
}

// familyConn is a connection of -families.
type familyConn struct {
	net.Conn
	br  *bufio.Reader
	out []byte
}

func dialFamily(ctx context.Context, addr string) (*familyConn, error) {
	d := net.Dialer{Timeout: dialTimeout}
	c, err := d.DialContext(ctx, "tcp", addr)
	if err != nil {
		return nil, err
	}
	return &familyConn{Conn: c, br: bufio.NewReaderSize(c, 64<<10)}, nil
}

// do sends a batch and skips the replies. problem is the first error reply.
func (c *familyConn) do(batch []*template, key func() int) (problem string, err error) {
	c.out = c.out[:0]
	for _, t := range batch {
		k := key()
		c.out = t.append(c.out, k, (k*7919+len(c.out))%familyMembers)
	}
	if _, err := c.Write(c.out); err != nil {
		return "", err
	}
	for range batch {
		p, err := c.skip()
		if err != nil {
			return problem, err
		}
		if problem == "" {
			problem = p
		}
	}
	return problem, nil
}

// skip reads one reply, nested ones too.
func (c *familyConn) skip() (problem string, err error) {
	for left := 1; left > 0; left-- {
		line, err := c.br.ReadSlice('\n')
		if err != nil {
			return "", err
		}
		if len(line) < 3 {
			return "", fmt.Errorf("malformed reply %q", line)
		}
		switch line[0] {
		case '-':
			problem = string(bytes.TrimSpace(line))
		case '$', '*':
			n, err := strconv.Atoi(string(line[1 : len(line)-2]))
			if err != nil {
				return "", fmt.Errorf("malformed reply %q", line)
			}
			if line[0] == '*' {
				left += max(n, 0)
			} else if n >= 0 {
				if _, err := c.br.Discard(n + 2); err != nil {
					return "", err
				}
			}
		}
	}
	return problem, nil
}
