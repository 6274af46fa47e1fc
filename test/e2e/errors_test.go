package e2e

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/quorate/quorate/test/harness"
	"github.com/quorate/quorate/test/wire"
)

// pause stops nodes with SIGSTOP and sees to it that they go on at the end.
func pause(t *testing.T, c *harness.Cluster, nodes ...int) {
	t.Helper()
	for _, n := range nodes {
		sendSignal(t, c, n, syscall.SIGSTOP)
		t.Cleanup(func() { _ = c.Node(n).Signal(syscall.SIGCONT) }) // a stopped process can't leave
	}
	for _, n := range nodes {
		eventually(t, "a node is paused", func() error { return isPaused(c.Node(n).Pid()) })
	}
}

func resume(t *testing.T, c *harness.Cluster, nodes ...int) {
	t.Helper()
	for _, n := range nodes {
		sendSignal(t, c, n, syscall.SIGCONT)
	}
}

// dial connects to a node for the time of the test.
func dial(t *testing.T, addr string, timeout time.Duration) *wire.Conn {
	t.Helper()
	conn, err := wire.Dial(context.Background(), addr, timeout)
	must(t, err)
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

// TestNoQuorum pauses two of three nodes: the third must not pretend.
func TestNoQuorum(t *testing.T) {
	t.Parallel()
	c := startNodes(t)
	own := homes(t, c)
	h := own[0]
	key := h.key("alone", 0)
	counter := h.key("counter", 0)
	text(t, c.Addr(0), "SET", key, "0")
	text(t, c.Addr(0), "SET", counter, "0")
	reader, writer := dial(t, c.Addr(0), askTimeout), dial(t, c.Addr(0), askTimeout)

	const bound = 5 * time.Second
	allowed, done := map[string]bool{"0": true}, 0
	for round := range scaled(2, 1) {
		// A writer that is in the middle of it when the others stop.
		stop, stopped := make(chan struct{}), make(chan struct{})
		sure, unsure := 0, 0
		go func() { // ends when stop closes; stopped is waited for
			defer close(stopped)
			for {
				select {
				case <-stop:
					return
				default:
				}
				r, err := writer.Do("INCR", counter)
				if err != nil {
					t.Errorf("INCR on the leader that is left: %v", err)
					return
				}
				switch out, err := judge(r); {
				case err != nil:
					t.Error(err)
				case out == acked:
					sure++
				case out == unknown:
					unsure++
				}
			}
		}()
		pause(t, c, 1, 2)
		writes, reads := map[string]int{}, map[string]int{}
		// In all, longer than the watchdog of the disk allows for one access.
		for i := range scaled(4, 2) {
			value := fmt.Sprintf("%d.%d", round, i)
			began := time.Now()
			r, err := reader.Do("SET", key, value)
			must(t, err)
			if took := time.Since(began); took > bound {
				t.Errorf("a write without a quorum took %v", took)
			}
			switch out, err := judge(r); {
			case err != nil:
				t.Error(err)
			case out == acked:
				t.Errorf("a write without a quorum: %s", r.Str)
			case out == unknown:
				allowed[value] = true
			}
			writes[class(string(r.Str), "")]++
			began = time.Now()
			r, err = reader.Do("GET", key)
			must(t, err)
			if took := time.Since(began); took > bound {
				t.Errorf("a read without a quorum took %v", took)
			}
			if !strings.HasPrefix(string(r.Str), "CLUSTERDOWN") {
				t.Errorf("a read without a quorum: %q", r.Raw)
			}
			reads[class(string(r.Str), "")]++
		}
		close(stop)
		<-stopped
		t.Logf("without a quorum: writes %v, reads %v, counter %d sure, %d unsure", writes, reads, sure, unsure)
		if info := text(t, c.Addr(0), "CLUSTER", "INFO"); !strings.Contains(info, "cluster_state:fail") {
			t.Errorf("CLUSTER INFO without a quorum:\n%.300s", info)
		}
		resume(t, c, 1, 2)
		homes(t, c)
		cl := newClient(c.Addrs(), askTimeout, newRand(t))
		r, err := cl.read("GET", key)
		must(t, err)
		if !allowed[string(r.Str)] {
			t.Errorf("the value is %q, none of those whose writes were uncertain: %v", r.Str, allowed)
		}
		allowed = map[string]bool{string(r.Str): true}
		r, err = cl.read("GET", counter)
		must(t, err)
		n, err := strconv.Atoi(string(r.Str))
		must(t, err)
		if n < done+sure || n > done+sure+unsure {
			t.Errorf("the counter is %d; %d before, %d sure, %d unsure", n, done, sure, unsure)
		}
		done = n
		r, err = cl.read("SET", key, "healed "+strconv.Itoa(round))
		must(t, err)
		allowed = map[string]bool{"healed " + strconv.Itoa(round): true}
		cl.close()
	}
	replicasAgree(t, c)
}

// TestPausedLeader pauses a leader in the middle of writes. Whatever its
// clients hear when it goes on must agree with what the others did meanwhile,
// and it must not answer a read with what it knew before.
func TestPausedLeader(t *testing.T) {
	t.Parallel()
	c := startNodes(t)
	for round := range scaled(4, 1) {
		own := homes(t, c)
		victim := own[round%c.Len()]
		addr := c.Addr(victim.node)
		others := make([]string, 0, 2)
		for i := range c.Len() {
			if i != victim.node {
				others = append(others, c.Addr(i))
			}
		}
		key := victim.key("paused", round)
		text(t, addr, "SET", key, "old")

		// Writers that stay with the leader, whatever happens to it.
		const writers = 8
		var mu sync.Mutex
		answers := map[string]int{}
		var results [writers]struct{ sure, unsure int }
		var wg sync.WaitGroup
		stop := make(chan struct{})
		begun := make(chan struct{}, writers)
		for w := range writers {
			wg.Add(1)
			conn := dial(t, addr, patience)
			counter := victim.key(fmt.Sprint("count", round), w)
			go func() { // ends when stop closes; waited for below
				defer wg.Done()
				for i := 0; ; i++ {
					select {
					case <-stop:
						return
					default:
					}
					r, err := conn.Do("INCR", counter)
					if err != nil {
						t.Errorf("INCR on a leader that was paused: %v", err)
						return
					}
					out, err := judge(r)
					if err != nil {
						t.Error(err)
					}
					switch out {
					case acked:
						results[w].sure++
					case unknown:
						results[w].unsure++
					}
					mu.Lock()
					if out != acked {
						answers[class(string(r.Str), "")]++
					}
					mu.Unlock()
					if i == 20 {
						begun <- struct{}{}
					}
				}
			}()
		}
		for range writers {
			<-begun
		}
		pause(t, c, victim.node)
		paused := time.Now()
		// These wait in its socket.
		late := dial(t, addr, patience)
		late.Send("GET", key)
		late.Send("SET", key, "late")
		must(t, late.Flush())
		readers := make([]*wire.Conn, 4)
		for i := range readers {
			readers[i] = dial(t, addr, patience)
			readers[i].Send("GET", key)
			must(t, readers[i].Flush())
		}
		// The others elect a leader, who acknowledges a new value. The paused one must
		// not get this write too: it could run it later.
		eventually(t, "another leader takes a write", func() error {
			var last error
			for _, other := range others {
				r, err := ask(other, "SET", key, "new")
				if err == nil && string(r.Str) == "OK" {
					return nil
				}
				last = errors.Join(last, err, fmt.Errorf("%s: %q", other, r.Raw))
			}
			return last
		})
		cl := newClient(others, time.Second, newRand(t))
		replaced := time.Since(paused)
		resume(t, c, victim.node)
		resumed := time.Now()
		get, err := late.Receive()
		must(t, err)
		set, err := late.Receive()
		must(t, err)
		heard := []string{class(string(get.Str), "null")}
		checkRead := func(r wire.Reply, also string) {
			t.Helper()
			if !r.IsError() && string(r.Str) != "new" && string(r.Str) != also {
				t.Errorf("a stale read on a leader that was paused: %q", r.Raw)
			}
		}
		checkRead(get, "new")
		outcome, err := judge(set)
		if err != nil {
			t.Error(err)
		}
		for _, conn := range readers {
			r, err := conn.Receive()
			must(t, err)
			checkRead(r, "late")
			heard = append(heard, class(string(r.Str), "null"))
		}
		close(stop)
		wg.Wait()
		t.Logf("round %d: its writers heard %v, its readers %v, the late write %q", round, answers, heard, set.Raw)
		homes(t, c)
		t.Logf("round %d: replaced after %v, leads again %v after it went on", round, replaced, time.Since(resumed))
		r, err := cl.read("GET", key)
		must(t, err)
		switch got := string(r.Str); {
		case got == "new" && outcome != acked, got == "late" && outcome != refused:
		default:
			t.Errorf("the value is %q, the late write was answered with %q", got, set.Raw)
		}
		for w, res := range results {
			r, err := cl.read("GET", victim.key(fmt.Sprint("count", round), w))
			must(t, err)
			if n, _ := strconv.Atoi(string(r.Str)); n < res.sure || n > res.sure+res.unsure {
				t.Errorf("counter %d is %d; %d sure, %d unsure", w, n, res.sure, res.unsure)
			}
		}
		cl.close()
	}
	replicasAgree(t, c)
}
