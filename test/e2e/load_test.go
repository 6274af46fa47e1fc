package e2e

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// load is a number of writers that write keys of their own, each once, and
// remember what they were told. A write that was refused is repeated with
// another value, so that one executed in spite of the refusal is seen.
type load struct {
	t       *testing.T
	name    string
	addrs   []string
	key     func(writer, n int) string
	timeout time.Duration

	stop    chan struct{}
	stopped sync.Once
	wg      sync.WaitGroup
	total   atomic.Int64 // acknowledged

	mu      sync.Mutex
	written []write
	acks    []ack
	unknown map[string]int // by the reply's text or "connection lost"
	refused map[string]int // by the reply's text or "not connected"
	errs    []error
}

// write is a key and what may be there: want for certain if acked; want or
// nothing if not.
type write struct {
	key, want string
	acked     bool
}

// ack is one acknowledged write: when it was sent and when answered.
type ack struct{ sent, at time.Time }

// startLoad starts writers. key must return a different key for each pair; nil
// spreads keys over all slots.
func startLoad(t *testing.T, addrs []string, writers int, name string, key func(writer, n int) string) *load {
	t.Helper()
	seed := rand.Uint64()
	t.Logf("load %s: seed %d", name, seed)
	l := &load{t: t, name: name, addrs: addrs, key: key, timeout: askTimeout, stop: make(chan struct{}), refused: map[string]int{}, unknown: map[string]int{}}
	if key == nil {
		l.key = func(writer, n int) string { return fmt.Sprintf("%s:%d:%d", name, writer, n) }
	}
	for w := range writers {
		l.wg.Add(1)
		// Owned by load. Stops when l.stop closes; finish waits.
		go func() {
			defer l.wg.Done()
			l.write(w, rand.New(rand.NewPCG(seed, uint64(w))))
		}()
	}
	t.Cleanup(l.end)
	return l
}

func (l *load) end() {
	l.stopped.Do(func() { close(l.stop) })
	l.wg.Wait()
}

func (l *load) stopping() bool {
	select {
	case <-l.stop:
		return true
	default:
		return false
	}
}

func (l *load) write(writer int, rnd *rand.Rand) {
	c := newClient(l.addrs, l.timeout, rnd)
	defer c.close()
	for n := 0; !l.stopping(); n++ {
		l.one(c, l.key(writer, n))
	}
}

// one writes one key until it is acknowledged, unknown, or time to stop.
func (l *load) one(c *client, key string) {
	for attempt := 0; ; attempt++ {
		value := fmt.Sprintf("%s/%d", key, attempt)
		sent := time.Now()
		r, out, err := c.try("SET", key, value)
		now := time.Now()
		l.mu.Lock()
		if err != nil {
			l.errs = append(l.errs, err)
		}
		switch out {
		case acked:
			if string(r.Raw) != "+OK\r\n" {
				l.errs = append(l.errs, fmt.Errorf("SET %s: %q", key, r.Raw))
			}
			l.written = append(l.written, write{key, value, true})
			l.acks = append(l.acks, ack{sent, now})
			l.total.Add(1)
		case unknown:
			l.written = append(l.written, write{key, value, false})
			l.unknown[class(string(r.Str), "connection lost")]++
		case refused:
			l.refused[class(string(r.Str), "not connected")]++
			if l.stopping() {
				l.written = append(l.written, write{key, "", false})
				out = unknown // leave
			}
		}
		l.mu.Unlock()
		if out != refused {
			return
		}
		if !strings.HasPrefix(string(r.Str), "MOVED") {
			time.Sleep(5 * time.Millisecond) // nobody serves the slot
		}
	}
}

// class shortens a reply for counting; none is the word for no reply.
func class(text, none string) string {
	if text == "" {
		return none
	}
	if len(text) > 5 && text[:5] == "MOVED" {
		return "MOVED"
	}
	return text
}

// wait waits for n more acknowledged writes.
func (l *load) wait(n int64) {
	l.t.Helper()
	from := l.total.Load()
	eventually(l.t, fmt.Sprintf("%d more writes of load %s are acknowledged", n, l.name), func() error {
		if got := l.total.Load() - from; got < n {
			l.mu.Lock()
			defer l.mu.Unlock()
			return fmt.Errorf("%d were, refusals %v, unknown %v", got, l.refused, l.unknown)
		}
		return nil
	})
}

// finish stops the writers and compares what they were told with what is there.
func (l *load) finish() {
	l.t.Helper()
	l.end()
	l.t.Logf("load %s: %d acknowledged, unknown %v, refused %v", l.name, l.total.Load(), l.unknown, l.refused)
	for _, err := range l.errs {
		l.t.Errorf("load %s: %v", l.name, err)
	}
	l.check()
}

// check reads every key that was written, on several connections.
func (l *load) check() {
	l.t.Helper()
	const readers = 16
	var wg sync.WaitGroup
	bad := make(chan string, readers*8)
	for r := range readers {
		wg.Add(1)
		// Ends with its share of the keys; waited for below.
		go func() {
			defer wg.Done()
			c := newClient(l.addrs, l.timeout, rand.New(rand.NewPCG(uint64(r), 1)))
			defer c.close()
			found := 0
			for i := r; i < len(l.written) && found < 8; i += readers {
				w := l.written[i]
				got, err := c.read("GET", w.key)
				switch {
				case err != nil:
					bad <- err.Error()
					found++
				case !w.acked && got.Null, !got.Null && string(got.Str) == w.want:
				default:
					bad <- fmt.Sprintf("%s is %q, want %q (acknowledged: %v)", w.key, got.Raw, w.want, w.acked)
					found++
				}
			}
		}()
	}
	wg.Wait()
	close(bad)
	for b := range bad {
		l.t.Error(b)
	}
}

// gap returns the longest time without an acknowledgement between two moments.
func (l *load) gap(from, to time.Time) time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	longest, last := time.Duration(0), from
	for _, a := range l.acks { // in the order of the answers, nearly
		if a.at.After(from) && a.at.Before(to) {
			longest, last = max(longest, a.at.Sub(last)), a.at
		}
	}
	return max(longest, to.Sub(last))
}

// firstAfter waits for the first acknowledgement of a write that was sent
// after a moment, and returns how long after that moment it came.
func (l *load) firstAfter(from time.Time) time.Duration {
	l.t.Helper()
	var took time.Duration
	eventually(l.t, "a write is acknowledged again", func() error {
		l.mu.Lock()
		defer l.mu.Unlock()
		for i := len(l.acks) - 1; i >= 0; i-- {
			if l.acks[i].at.Before(from) {
				break
			}
			if l.acks[i].sent.After(from) {
				took = l.acks[i].at.Sub(from)
			}
		}
		if took == 0 {
			return fmt.Errorf("refusals %v, unknown %v", l.refused, l.unknown)
		}
		return nil
	})
	return took
}
