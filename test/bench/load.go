package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// sample is what one cell on one target gave in one round.
type sample struct {
	OpsPerSecond  float64 `json:"ops_per_second"`
	P50Ms         float64 `json:"p50_ms"`
	P99Ms         float64 `json:"p99_ms"`
	CPUPerMillion float64 `json:"server_cpu_seconds_per_million"`
	ClientCPU     float64 `json:"client_cpu_cores"`
	Failed        int64   `json:"failed"`
	Failure       string  `json:"failure,omitempty"`
}

// phases of a cell, stored in an atomic so that clients look at one word.
const (
	phaseWarmup int32 = iota
	phaseMeasure
	phaseStop
)

// worker drives one client; its counters are read after it has ended.
type worker struct {
	client client
	rand   *rand.Rand
	hist   histogram
	done   int64
	failed int64
	err    error
}

// runCell puts the cell's load on the target: a warm-up, then the window.
func runCell(ctx context.Context, t target, c cell, warmup, window time.Duration) (s sample, err error) {
	workers := make([]*worker, 0, c.clients)
	defer func() {
		for _, w := range workers {
			err = errors.Join(err, w.client.Close())
		}
	}()
	for i := range c.clients {
		cl, err := t.Dial(ctx, i)
		if err != nil {
			return s, err
		}
		workers = append(workers, &worker{client: cl, rand: rand.New(rand.NewPCG(rand.Uint64(), uint64(i)))})
		if cl.Keys() == 0 {
			return s, fmt.Errorf("client %d has no keys", i)
		}
	}
	var phase atomic.Int32
	var wg sync.WaitGroup
	for _, w := range workers {
		// Owned by this call. Stops after the batch in which phase becomes
		// phaseStop, or on an error, which it leaves in w.err.
		wg.Go(func() { w.run(c, &phase) })
	}
	pause(ctx, warmup)
	cpu0, err0 := cpuTime(t)
	self0, start := selfCPU(), time.Now()
	phase.Store(phaseMeasure)
	pause(ctx, window)
	phase.Store(phaseStop)
	elapsed, self1 := time.Since(start), selfCPU()
	cpu1, err1 := cpuTime(t)
	wg.Wait()

	var hist histogram
	var done int64
	for _, w := range workers {
		hist.add(&w.hist)
		done += w.done
		s.Failed += w.failed
		if f := w.client.Failure(); f != "" && s.Failure == "" {
			s.Failure = f
		}
		err = errors.Join(err, w.err)
	}
	if err = errors.Join(err, err0, err1, ctx.Err()); err != nil {
		return s, err
	}
	s.OpsPerSecond = float64(done) / elapsed.Seconds()
	s.P50Ms, s.P99Ms = hist.quantile(0.50).Seconds()*1e3, hist.quantile(0.99).Seconds()*1e3
	s.ClientCPU = (self1 - self0).Seconds() / elapsed.Seconds()
	if done > 0 {
		s.CPUPerMillion = (cpu1 - cpu0).Seconds() / float64(done) * 1e6
	}
	return s, nil
}

func (w *worker) run(c cell, phase *atomic.Int32) {
	batch := make([]op, c.pipeline)
	keys, reads := w.client.Keys(), c.readPct()
	for {
		for i := range batch {
			x := w.rand.Uint64()
			batch[i] = op{write: x%100 >= reads, key: int((x >> 32) % uint64(keys))}
		}
		start := time.Now()
		failed, err := w.client.Do(batch)
		if err != nil {
			w.err = err
			return
		}
		switch phase.Load() {
		case phaseMeasure:
			w.hist.record(time.Since(start))
			w.done += int64(len(batch) - failed)
			w.failed += int64(failed)
		case phaseStop:
			return
		}
	}
}

// fill writes every key of the first poolKeys once, over several connections.
func fill(ctx context.Context, t target, total int) error {
	const clients, batchLen = 48, 64
	var written atomic.Int64
	var wg sync.WaitGroup
	errs := make([]error, clients)
	for i := range clients {
		cl, err := t.Dial(ctx, i)
		if err != nil {
			errs[i] = err
			break
		}
		// Owned by this call. Stops when its part of the keys is written, on an
		// error, or when ctx ends.
		wg.Go(func() {
			defer cl.Close()
			part, parts := i/t.Shards(), (clients+t.Shards()-1-i%t.Shards())/t.Shards()
			var batch []op
			for k := part; k < cl.Keys() && errs[i] == nil; k += parts {
				batch = append(batch, op{write: true, key: k})
				if len(batch) < batchLen && k+parts < cl.Keys() {
					continue
				}
				failed, err := cl.Do(batch)
				if failed > 0 {
					err = fmt.Errorf("%d writes failed: %s", failed, cl.Failure())
				}
				errs[i] = errors.Join(err, ctx.Err())
				written.Add(int64(len(batch)))
				batch = batch[:0]
			}
		})
	}
	wg.Wait()
	if err := errors.Join(errs...); err != nil {
		return err
	}
	if n := written.Load(); n != int64(total) {
		return fmt.Errorf("wrote %d keys, want %d", n, total)
	}
	return nil
}

// pause waits, or returns early when ctx ends.
func pause(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

// selfCPU is the processor time that this process has used.
func selfCPU() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0 // cannot happen with these arguments
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
