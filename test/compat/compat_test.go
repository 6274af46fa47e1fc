package compat

import (
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/quorate/quorate/test/harness"
)

var (
	addrFlag     = flag.String("addr", "", "server under test; empty: start bin/quorate")
	countFlag    = flag.Int("n", 6000, "commands to compare")
	seedFlag     = flag.Uint64("seed", 0, "seed of the first chunk; 0 draws one")
	familiesFlag = flag.String("families", "", "families to use, comma-separated; empty: all")
	skipFlag     = flag.String("skip", "", "commands never to send, comma-separated")
	chunkFlag    = flag.Int("chunk", 1500, "commands between two FLUSHALLs")
	pipelineFlag = flag.Int("pipeline", 12, "largest pipeline")
	maxFlag      = flag.Int("max", 5, "stop after so many different differences")
	encodingFlag = flag.Bool("ignore-encoding", false, "do not compare encodings")
	shrinkFlag   = flag.Duration("shrink", 20*time.Second, "time for shrinking each difference")
)

// startRedis starts the oracle, or skips the test on a machine without one.
func startRedis(t *testing.T, args ...string) string {
	t.Helper()
	if _, err := exec.LookPath("redis-server"); err != nil {
		t.Skip("redis-server, the oracle, is not installed")
	}
	return harness.New(t, harness.Options{Kind: harness.Redis{}, Nodes: 1, Args: args}).Addr(0)
}

func split(list string) []string {
	if list == "" {
		return nil
	}
	return strings.Split(list, ",")
}

// compare runs n commands in chunks and reports each kind of difference once:
// by command and by the beginnings of the two replies.
func compare(t *testing.T, p *Pair, n int) {
	t.Helper()
	ctx := t.Context()
	seed := *seedFlag
	if seed == 0 {
		seed = rand.Uint64N(1e9)
	}
	t.Logf("seed %d", seed)
	seen := map[string]bool{}
	total := 0
	for ; total < n; seed++ {
		g, err := NewGenerator(seed, split(*familiesFlag), split(*skipFlag))
		if err != nil {
			t.Fatal(err)
		}
		steps := g.Steps(min(*chunkFlag, n-total))
		total += len(steps)
		d, err := p.Run(ctx, steps)
		if err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		if d == nil {
			continue
		}
		id := fmt.Sprintf("%s %.12s %.12s", d.Step.name(), d.SUT, d.Oracle)
		if seen[id] {
			continue
		}
		seen[id] = true
		t.Error(report(ctx, p, seed, steps, d))
		if len(seen) >= *maxFlag {
			break
		}
	}
	t.Logf("%d commands compared, %d kinds of differences", total, len(seen))
}

// report shrinks a difference and writes it down.
func report(ctx context.Context, p *Pair, seed uint64, steps []Step, d *Difference) string {
	var b strings.Builder
	fmt.Fprintf(&b, "difference; again with: -seed %d -n %d -chunk %d\n", seed, *chunkFlag, *chunkFlag)
	short, shortD, err := p.Shrink(ctx, steps, d, *shrinkFlag)
	switch {
	case err != nil:
		fmt.Fprintf(&b, "(shrinking failed: %v)\n", err)
	case short == nil:
		const context = 12
		fmt.Fprintf(&b, "(a replay did not show it; the last commands were)\n")
		short = steps[max(0, d.Index-context):min(d.Index+1, len(steps))]
	default:
		d = shortD
	}
	for _, s := range short {
		fmt.Fprintf(&b, "    %s\n", s)
	}
	return b.String() + d.String()
}

func newPair(sut, oracle string) *Pair {
	return &Pair{SUT: sut, Oracle: oracle, Timeout: 10 * time.Second, Pipeline: max(*pipelineFlag, 1), IgnoreEncoding: *encodingFlag}
}

// TestCompat compares the server under test with redis-server.
func TestCompat(t *testing.T) {
	addr := *addrFlag
	oracle := startRedis(t)
	if addr == "" {
		addr = harness.New(t, harness.Options{Kind: harness.Quorate{}, Nodes: 1}).Addr(0)
	}
	compare(t, newPair(addr, oracle), *countFlag)
}

// TestRedisAgainstItself must find nothing: it guards against comparisons that
// are stricter than Redis is with itself.
func TestRedisAgainstItself(t *testing.T) {
	compare(t, newPair(startRedis(t), startRedis(t)), *countFlag)
}
