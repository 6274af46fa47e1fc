package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"text/tabwriter"
	"time"

	"github.com/quorate/quorate/test/harness"
)

// -memory measures the resident memory of one Quorate node and one redis-server
// with data of several shapes, each in a process of its own that holds nothing else.

// shape is a kind of data: commands of which each is sent for {k} from 0 up.
type shape struct {
	name     string
	items    int // keys or elements, at -memory-keys of a million
	commands []string
	each     int // items a round of commands makes
}

const text16 = "sixteen-bytes..." // not a number, which would be kept as one

var shapes = []shape{
	{"strings of 16 bytes", 1e6, []string{"SET key:{k} " + text16}, 1},
	{"strings of 100 bytes", 1e6, []string{"SET key:{k} {v}"}, 1},
	{"hashes of 5 fields", 1e6, []string{"HSET hash:{k} name user-{k} mail m{k}@example.com age 42 city Paris visits {k}"}, 1},
	{"sorted sets of 5 members", 1e6, []string{"ZADD zset:{k} 1 a-{k} 2 b-{k} 3.5 c-{k} 4 d-{k} 5 e-{k}"}, 1},
	{"strings of 16 bytes, TTL", 1e6, []string{"SET key:{k} " + text16 + " EX 1000000"}, 1},
	{"strings of 100 bytes, TTL", 1e6, []string{"SET key:{k} {v} EX 1000000"}, 1},
	{"hashes of 5 fields, TTL", 1e6, []string{"HSET hash:{k} name user-{k} mail m{k}@example.com age 42 city Paris visits {k}", "EXPIRE hash:{k} 1000000"}, 1},
	{"sorted sets of 5 members, TTL", 1e6, []string{"ZADD zset:{k} 1 a-{k} 2 b-{k} 3.5 c-{k} 4 d-{k} 5 e-{k}", "EXPIRE zset:{k} 1000000"}, 1},
	{"one list of 10 million", 1e7, []string{"RPUSH list a-{k} b-{k} c-{k} d-{k} e-{k} f-{k} g-{k} h-{k} i-{k} j-{k}"}, 10},
	{"one sorted set of a million", 1e6, []string{"ZADD zset {k} member:{k}"}, 1},
}

// occupied is what one server did with one shape, bytes of resident memory.
type occupied struct {
	Empty  int64 `json:"empty"`
	Loaded int64 `json:"loaded"` // right after the last command
	Peak   int64 `json:"peak"`   // the largest since the start
	Rest   int64 `json:"rest"`   // restSeconds later
}

// restSeconds is how long a server is left alone before its memory counts: Quorate
// gives room for garbage back when 20 quiet seconds have passed.
const restSeconds = 30

// runMemory measures shape by shape, both servers at a time.
func runMemory(ctx context.Context, o options, f facts, out, progress io.Writer) error {
	names := [2]string{"quorate", "redis"}
	kinds := [2]harness.Kind{harness.Quorate{}, harness.Redis{}}
	type row struct {
		Shape  string              `json:"shape"`
		Items  int                 `json:"items"`
		Memory map[string]occupied `json:"memory"`
		Ratio  map[string]float64  `json:"ratio"`
	}
	var rows []row
	for _, s := range shapes {
		if o.only != "" && !strings.Contains(s.name, o.only) {
			continue
		}
		s.items = int(float64(s.items) * float64(o.memoryKeys) / 1e6)
		fmt.Fprintf(progress, "memory: %s\n", s.name)
		var got [2]occupied
		var errs [2]error
		var wg sync.WaitGroup
		for i := range kinds {
			wg.Go(func() { got[i], errs[i] = occupy(ctx, kinds[i], s, o.dir) })
		}
		wg.Wait()
		if err := errors.Join(errs[:]...); err != nil {
			return fmt.Errorf("%s: %w", s.name, err)
		}
		r := row{s.name, s.items, map[string]occupied{}, map[string]float64{
			"rest": float64(got[0].Rest) / float64(got[1].Rest), "loaded": float64(got[0].Loaded) / float64(got[1].Loaded),
		}}
		for i, n := range names {
			r.Memory[n] = got[i]
		}
		rows = append(rows, r)
	}
	if o.json {
		return printJSON(out, map[string]any{"facts": f, "memory": rows})
	}
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintf(w, "bytes an item, resident\titems\tquorate\tredis\tratio\tquorate, just loaded\tredis\tratio\tpeak ratio\t\n")
	for _, r := range rows {
		q, p := r.Memory[names[0]], r.Memory[names[1]]
		per := func(n int64) float64 { return float64(n) / float64(r.Items) }
		fmt.Fprintf(w, "%s\t%d\t%.0f\t%.0f\t%.2f\t%.0f\t%.0f\t%.2f\t%.2f\t\n", r.Shape, r.Items, per(q.Rest), per(p.Rest), r.Ratio["rest"],
			per(q.Loaded), per(p.Loaded), r.Ratio["loaded"], float64(q.Peak)/float64(p.Peak))
	}
	return w.Flush()
}

// occupy fills a fresh server with a shape.
func occupy(ctx context.Context, kind harness.Kind, s shape, dir string) (m occupied, err error) {
	c, err := harness.Start(ctx, harness.Options{Kind: kind, Nodes: 1, Dir: dir, Args: []string{"--save", ""}})
	if err != nil {
		return m, err
	}
	defer func() { err = errors.Join(err, c.Stop()) }()
	if m.Empty, err = harness.ResidentBytes(c.Pids()); err != nil {
		return m, err
	}
	conn, err := dialFamily(ctx, c.Addr(0))
	if err != nil {
		return m, err
	}
	defer conn.Close()
	var batch []*template
	const rounds = 200
	for range rounds {
		for _, line := range s.commands {
			batch = append(batch, newTemplate(line))
		}
	}
	for k := 0; k < s.items/s.each; k += rounds {
		sent := 0
		problem, err := conn.do(batch, func() int { sent++; return k + (sent-1)/len(s.commands) })
		if err := cmp.Or(err, ctx.Err()); err != nil {
			return m, err
		}
		if problem != "" {
			return m, errors.New(problem)
		}
	}
	if m.Loaded, err = harness.ResidentBytes(c.Pids()); err != nil {
		return m, err
	}
	pause(ctx, restSeconds*time.Second)
	if m.Rest, err = harness.ResidentBytes(c.Pids()); err != nil {
		return m, err
	}
	m.Peak, err = harness.PeakBytes(c.Pids())
	return m, cmp.Or(err, ctx.Err())
}
