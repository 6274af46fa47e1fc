package sim

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"

	"github.com/quorate/quorate/node"
)

// input is one operation on a register.
type input struct {
	key, value string // value "" reads
}

// model is a register per key. An output of "?" is a write whose outcome the
// client doesn't know: it may take effect at any time or never.
var model = porcupine.Model{
	Partition: func(history []porcupine.Operation) [][]porcupine.Operation {
		byKey := map[string][]porcupine.Operation{}
		for _, o := range history {
			k := o.Input.(input).key
			byKey[k] = append(byKey[k], o)
		}
		var out [][]porcupine.Operation
		for _, ops := range byKey {
			out = append(out, ops)
		}
		return out
	},
	Init: func() any { return "" },
	Step: func(state, in, out any) (bool, any) {
		if v := in.(input).value; v != "" {
			return true, v
		}
		return out.(string) == state.(string), state
	},
	DescribeOperation: func(in, out any) string { return fmt.Sprint(in, " -> ", out) },
}

// workload is a set of clients that read and write registers until stopped,
// and the history they saw.
type workload struct {
	c    *cluster
	stop chan struct{}
	wg   sync.WaitGroup

	mu      sync.Mutex
	history []porcupine.Operation
	writes  int
	reads   int
	unknown int
}

const forever = int64(1) << 62

func (c *cluster) run(clients int, seed uint64) *workload {
	w := &workload{c: c, stop: make(chan struct{})}
	start := time.Now()
	for id := range clients {
		w.wg.Add(1)
		go w.client(id, rand.New(rand.NewPCG(seed, uint64(id)+100)), start)
	}
	return w
}

func (w *workload) client(id int, r *rand.Rand, start time.Time) {
	defer w.wg.Done()
	at, process := r.IntN(len(w.c.members)), id
	for i := 0; ; i++ {
		select {
		case <-w.stop:
			return
		case <-time.After(time.Duration(1+r.IntN(20)) * time.Millisecond):
		}
		n := w.c.nodeAt(at)
		if n == nil {
			at = r.IntN(len(w.c.members))
			continue
		}
		// A key has at most a few hundred operations: porcupine's cost.
		in := input{key: fmt.Sprintf("k%d-%d", r.IntN(6), time.Since(start)/(4*time.Second))}
		args := []string{"GET", in.key}
		if r.IntN(2) == 0 {
			in.value = fmt.Sprintf("%d-%d", id, i)
			args = []string{"SET", in.key, in.value}
		}
		call := time.Since(start)
		reply, redirected, err := do(n, args...)
		ret := time.Since(start)
		if redirected {
			at = w.c.leaderIndex(reply, r)
			continue
		}
		op := porcupine.Operation{ClientId: process, Input: in, Call: int64(call), Return: int64(ret), Output: parse(reply)}
		if err != nil {
			at = r.IntN(len(w.c.members))
			if in.value == "" || !strings.Contains(err.Error(), "in flight") {
				continue // not executed
			}
			op.Return, op.Output = forever, "?"
			process += 1000 // the old process is still waiting, for ever
		}
		w.record(op)
	}
}

func (w *workload) record(op porcupine.Operation) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.history = append(w.history, op)
	switch {
	case op.Return == forever:
		w.unknown++
	case op.Input.(input).value != "":
		w.writes++
	default:
		w.reads++
	}
}

// leaderIndex finds the node a redirect names.
func (c *cluster) leaderIndex(redirect string, r *rand.Rand) int {
	for i, m := range c.members {
		if strings.Contains(redirect, m.name+":") {
			return i
		}
	}
	return r.IntN(len(c.members))
}

// parse turns a reply into the model's output.
func parse(reply string) string {
	if reply == "$-1\r\n" || reply == "+OK\r\n" {
		return ""
	}
	_, body, _ := strings.Cut(reply, "\r\n")
	return strings.TrimSuffix(body, "\r\n")
}

// finish stops the clients and checks the history. A run in which little
// happened is no proof of anything and fails.
func (w *workload) finish(minOps int) {
	close(w.stop)
	w.wg.Wait()
	t := w.c.t
	t.Logf("%d writes, %d reads, %d unknown", w.writes, w.reads, w.unknown)
	if w.writes < minOps || w.reads < minOps {
		t.Fatalf("only %d writes and %d reads: the run proves nothing", w.writes, w.reads)
	}
}

// check looks for an order of the operations that explains every answer. It is
// called outside the bubble, where time is real.
func (w *workload) check(t testing.TB) {
	switch res, info := porcupine.CheckOperationsVerbose(model, w.history, time.Minute); res {
	case porcupine.Illegal:
		f := t.(*testing.T).ArtifactDir() + "/history.html"
		_ = porcupine.VisualizePath(model, info, f)
		t.Fatalf("the history is not linearizable: %s", f)
	case porcupine.Unknown:
		t.Fatal("the check did not finish: shorten the history per key")
	}
}

func slow(i int) func(int, *node.Options) {
	return func(j int, o *node.Options) {
		if j == i {
			o.Timeout = 5 * time.Second
		}
	}
}
