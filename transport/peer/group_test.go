package peer

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"io"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/raft"
	"github.com/quorate/quorate/transport/peer/simnet"
)

// answerAppend is what a fake Raft does with its requests.
func answerAppend(g *GroupTransport, with func(raft.RPC)) (stop func()) {
	quit, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		for {
			select {
			case rpc := <-g.Consumer():
				with(rpc)
			case <-quit:
				return
			}
		}
	}()
	return func() { close(quit); <-ended }
}

func success(rpc raft.RPC) {
	rpc.Respond(&raft.AppendEntriesResponse{Success: true, Term: rpc.Command.(*raft.AppendEntriesRequest).Term}, nil)
}

// pair opens two nodes of one cluster with group 1 on both.
func pair(t *testing.T) (n *simnet.Net, a, b *Mux, ga, gb *GroupTransport) {
	n = simnet.New(1)
	a, b = open(t, n, "a"), open(t, n, "b")
	t.Cleanup(func() { a.Close(); b.Close() })
	return n, a, b, a.Group(1), b.Group(1)
}

func header(name string) raft.RPCHeader {
	return raft.RPCHeader{ProtocolVersion: 3, ID: []byte(nodeID(name)), Addr: []byte(name + ":17001")}
}

// TestHeartbeatGuard: only heartbeats go past Raft's main loop, and only those
// that are taken there.
func TestHeartbeatGuard(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, _, _, ga, gb := pair(t)
		var fast, slow int
		var term uint64
		var follower bool
		defer answerAppend(gb, func(rpc raft.RPC) { slow++; success(rpc) })()
		beat := raft.AppendEntriesRequest{RPCHeader: header("a"), Term: 5, Leader: []byte("a:17001")}
		check := func(name string, change func(*raft.AppendEntriesRequest), wantFast bool) {
			t.Helper()
			req := beat
			change(&req)
			fast, slow = 0, 0
			var resp raft.AppendEntriesResponse
			if err := ga.AppendEntries(raft.ServerID(nodeID("b")), "b:17001", &req, &resp); err != nil || !resp.Success || resp.Term != req.Term {
				t.Fatalf("%s: %+v, %v", name, resp, err)
			}
			if (fast == 1) != wantFast || fast+slow != 1 {
				t.Errorf("%s: %d times fast, %d slow", name, fast, slow)
			}
		}
		same := func(*raft.AppendEntriesRequest) {}
		check("before SetHeartbeats", same, false)
		gb.SetHeartbeats(func(t uint64, leader raft.ServerID) (uint64, bool) {
			if t != term || !follower || string(leader) != nodeID("a") {
				return 0, false
			}
			fast++
			return 7, true
		})
		term, follower = 5, true
		check("heartbeat", same, true)
		check("newer term", func(r *raft.AppendEntriesRequest) { r.Term = 6 }, false)
		check("older term", func(r *raft.AppendEntriesRequest) { r.Term = 4 }, false)
		check("previous entry", func(r *raft.AppendEntriesRequest) { r.PrevLogEntry = 1 }, false)
		check("previous term", func(r *raft.AppendEntriesRequest) { r.PrevLogTerm = 1 }, false)
		check("commit index", func(r *raft.AppendEntriesRequest) { r.LeaderCommitIndex = 1 }, false)
		check("entries", func(r *raft.AppendEntriesRequest) { r.Entries = []*raft.Log{{Index: 1}} }, false)
		follower = false
		check("not a follower", same, false)
	})
}

func TestIdentityOfRaftPeers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n, _, b, ga, gb := pair(t)
		defer answerAppend(gb, success)()
		try := func(g *GroupTransport, id, addr, from string) error {
			req := raft.AppendEntriesRequest{RPCHeader: header(from), Term: 1}
			return g.AppendEntries(raft.ServerID(nodeID(id)), raft.ServerAddress(addr), &req, new(raft.AppendEntriesResponse))
		}
		if err := try(ga, "b", "b:17001", "a"); err != nil {
			t.Fatal(err)
		}
		if err := try(ga, "c", "b:17001", "a"); !errors.Is(err, ErrIdentity) {
			t.Errorf("another node at the address: %v", err)
		}
		if err := try(ga, "b", "b:17001", "x"); err == nil || !strings.Contains(err.Error(), "another node") {
			t.Errorf("a request in another's name: %v", err)
		}
		snap := &raft.InstallSnapshotRequest{RPCHeader: header("a")}
		err := ga.InstallSnapshot(raft.ServerID(nodeID("c")), "b:17001", snap, new(raft.InstallSnapshotResponse), new(bytes.Reader))
		if !errors.Is(err, ErrIdentity) {
			t.Errorf("snapshot for another node: %v", err)
		}

		// Clusters: of none, of another, joining later.
		var cluster atomic.Value
		cluster.Store("")
		c := open(t, n, "c", func(o *Options) { o.ClusterID = func() string { return cluster.Load().(string) } })
		defer c.Close()
		register(c)
		gc := c.Group(1)
		defer answerAppend(gc, success)()
		if _, err := b.Call(context.Background(), "", "c:17001", echo, nil); err != nil {
			t.Fatal(err)
		}
		if err := try(gb, "c", "c:17001", "b"); !errors.Is(err, ErrCluster) {
			t.Errorf("Raft to a node of no cluster: %v", err)
		}
		if err := try(gc, "b", "b:17001", "c"); !errors.Is(err, ErrCluster) {
			t.Errorf("Raft from a node of no cluster: %v", err)
		}
		before := b.link("c:17001").conn.Load()
		cluster.Store("cluster-1")
		if err := try(gb, "c", "c:17001", "b"); err != nil {
			t.Errorf("Raft to a node that has joined: %v", err)
		}
		if err := try(gc, "b", "b:17001", "c"); err != nil {
			t.Errorf("Raft from a node that has joined: %v", err)
		}
		if before == nil || before != b.link("c:17001").conn.Load() {
			t.Error("joining took another connection")
		}
		cluster.Store("cluster-2")
		if err := try(gb, "c", "c:17001", "b"); err == nil {
			t.Error("Raft to a node that has changed its cluster")
		}
		if err := try(gc, "b", "b:17001", "c"); err == nil {
			t.Error("Raft from a node that has changed its cluster")
		}
	})
}

// TestStalledGroupDelaysNobody: one group's Raft does not take its requests; the
// other group and services on the same connection go on, and the stalled one's
// queue is bounded.
func TestStalledGroupDelaysNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, a, b, ga, gb := pair(t)
		register(b)
		good, goodB := a.Group(2), b.Group(2)
		defer answerAppend(goodB, success)()
		_ = gb // nobody reads its Consumer
		id := raft.ServerID(nodeID("b"))
		call := func(g *GroupTransport, size int) error {
			req := raft.AppendEntriesRequest{RPCHeader: header("a"), Term: 1, Entries: []*raft.Log{{Data: make([]byte, size)}}}
			return g.AppendEntries(id, "b:17001", &req, new(raft.AppendEntriesResponse))
		}
		if err := call(good, 1); err != nil {
			t.Fatal(err)
		}
		errs := make(chan error, 3*maxSlots)
		for range cap(errs) {
			go func() { errs <- call(ga, 1000) }()
		}
		synctest.Wait()
		if refused := len(errs); refused != 2*maxSlots {
			t.Errorf("%d of %d refused", refused, cap(errs))
		}
		start := time.Now()
		for range 100 {
			if err := call(good, 100_000); err != nil {
				t.Fatal(err)
			}
			if _, err := a.Call(context.Background(), "", "b:17001", echo, nil); err != nil {
				t.Fatal(err)
			}
		}
		if d := time.Since(start); d != 0 {
			t.Errorf("delayed by %v", d)
		}
		// Closing the group at the other end answers what waits there.
		gb.Close()
		for range cap(errs) {
			if err := <-errs; err == nil {
				t.Error("no error")
			}
		}
		if d := time.Since(start); d != 0 {
			t.Errorf("closing took %v", d)
		}
	})
}

// TestClosingAGroupEndsItsCalls: Raft's goroutines must be able to end although
// the other node does not answer.
func TestClosingAGroupEndsItsCalls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n, a, b, ga, _ := pair(t)
		b.Group(1)
		id := raft.ServerID(nodeID("b"))
		req := raft.AppendEntriesRequest{RPCHeader: header("a"), Term: 1}
		n.Host("silent").Listen("silent:1") // accepts in its backlog only
		errs := make(chan error, 3)
		go func() { errs <- ga.AppendEntries(id, "b:17001", &req, new(raft.AppendEntriesResponse)) }()
		go func() { errs <- ga.AppendEntries(id, "silent:1", &req, new(raft.AppendEntriesResponse)) }()
		go func() {
			snap := raft.InstallSnapshotRequest{RPCHeader: header("a"), Size: 10}
			errs <- ga.InstallSnapshot(id, "b:17001", &snap, new(raft.InstallSnapshotResponse), strings.NewReader("0123456789"))
		}()
		synctest.Wait()
		start := time.Now()
		ga.Close()
		for range cap(errs) {
			if err := <-errs; !errors.Is(err, ErrClosed) {
				t.Error(err)
			}
		}
		if d := time.Since(start); d != 0 {
			t.Errorf("took %v", d)
		}
		if err := ga.AppendEntries(id, "b:17001", &req, new(raft.AppendEntriesResponse)); !errors.Is(err, ErrClosed) {
			t.Errorf("append afterwards: %v", err)
		}
		snap := raft.InstallSnapshotRequest{RPCHeader: header("a")}
		if err := ga.InstallSnapshot(id, "b:17001", &snap, new(raft.InstallSnapshotResponse), strings.NewReader("")); !errors.Is(err, ErrClosed) {
			t.Errorf("snapshot afterwards: %v", err)
		}
		if g := a.Group(1); g == ga || g != a.Group(1) {
			t.Error("a closed group came back")
		}
	})
}

// TestLargeAppendIsSplit: the parts continue each other, and a failure ends them.
func TestLargeAppendIsSplit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, _, _, ga, gb := pair(t)
		var got []raft.AppendEntriesRequest
		var failAt int
		defer answerAppend(gb, func(rpc raft.RPC) {
			got = append(got, *rpc.Command.(*raft.AppendEntriesRequest))
			rpc.Respond(&raft.AppendEntriesResponse{Success: len(got) != failAt, LastLog: uint64(len(got))}, nil)
		})()
		req := raft.AppendEntriesRequest{RPCHeader: header("a"), Term: 9, PrevLogEntry: 100, PrevLogTerm: 8, LeaderCommitIndex: 50}
		for i := range uint64(10) {
			req.Entries = append(req.Entries, &raft.Log{Index: 101 + i, Term: 9, Data: make([]byte, 900<<10)})
		}
		req.Entries[7].Data = make([]byte, 10<<20)
		var resp raft.AppendEntriesResponse
		id := raft.ServerID(nodeID("b"))
		if err := ga.AppendEntries(id, "b:17001", &req, &resp); err != nil || !resp.Success {
			t.Fatal(resp, err)
		}
		next, prevTerm := uint64(101), uint64(8)
		for _, part := range got {
			if part.PrevLogEntry != next-1 || part.PrevLogTerm != prevTerm || part.LeaderCommitIndex != 50 || len(part.Entries) == 0 {
				t.Fatalf("part %+v does not follow %d", part, next-1)
			}
			for _, e := range part.Entries {
				if e.Index != next {
					t.Fatalf("entry %d, want %d", e.Index, next)
				}
				next++
			}
			prevTerm = 9
		}
		if next != 111 || len(got) < 5 || len(req.Entries) != 10 {
			t.Errorf("%d parts up to %d", len(got), next)
		}
		got, failAt = nil, 2
		if err := ga.AppendEntries(id, "b:17001", &req, &resp); err != nil || resp.Success || resp.LastLog != 2 || len(got) != 2 {
			t.Errorf("%d parts, %+v, %v", len(got), resp, err)
		}
	})
}

// slowReader gives a few bytes at a time, with pauses.
type slowReader struct {
	left  int
	pause time.Duration
}

func (r *slowReader) Read(p []byte) (int, error) {
	if r.left == 0 {
		return 0, io.EOF
	}
	time.Sleep(r.pause)
	n := min(len(p), r.left, 50_000)
	r.left -= n
	return n, nil
}

func TestSnapshotStream(t *testing.T) {
	const size = 5*chunkSize + 77
	for name, c := range map[string]struct {
		source  io.Reader
		size    int64               // announced
		disturb func(n *simnet.Net) // after a second
		install time.Duration       // what Raft takes after it has read all
		wantErr bool
	}{
		"slow source, slow restore": {source: &slowReader{size, 500 * time.Millisecond}, size: size, install: 2 * time.Minute},
		"empty":                     {source: strings.NewReader(""), size: 0},
		"source too short":          {source: strings.NewReader("short"), size: size, wantErr: true},
		"source too long":           {source: &slowReader{size, 0}, size: size - 1, wantErr: true},
		"reset on the way":          {source: &slowReader{size, 200 * time.Millisecond}, size: size, disturb: func(n *simnet.Net) { n.Reset("a", "b") }, wantErr: true},
		"cut on the way":            {source: &slowReader{size, 200 * time.Millisecond}, size: size, disturb: func(n *simnet.Net) { n.Isolate("b") }, wantErr: true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n, _, _, ga, gb := pair(t)
				received := make(chan error, 1)
				defer answerAppend(gb, func(rpc raft.RPC) {
					k, err := io.Copy(io.Discard, rpc.Reader)
					if err == nil && k != c.size {
						err = io.ErrShortBuffer
					}
					received <- err
					time.Sleep(c.install)
					rpc.Respond(&raft.InstallSnapshotResponse{Term: 4, Success: err == nil}, err)
				})()
				if c.disturb != nil {
					time.AfterFunc(time.Second, func() { c.disturb(n) })
				}
				req := raft.InstallSnapshotRequest{RPCHeader: header("a"), Term: 4, Size: c.size}
				var resp raft.InstallSnapshotResponse
				start := time.Now()
				err := ga.InstallSnapshot(raft.ServerID(nodeID("b")), "b:17001", &req, &resp, c.source)
				if (err != nil) != c.wantErr || resp.Success == c.wantErr {
					t.Errorf("sender: %+v, %v", resp, err)
				}
				if c.wantErr && time.Since(start) > 30*time.Second {
					t.Errorf("took %v", time.Since(start))
				}
				if err := <-received; (err != nil) != c.wantErr {
					t.Errorf("receiver: %v", err)
				}
			})
		})
	}
}

// TestSnapshotNeverReachesRaft: refusals come back as such.
func TestSnapshotNeverReachesRaft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, a, _, ga, _ := pair(t)
		install := func(g *GroupTransport, from string) error {
			req := raft.InstallSnapshotRequest{RPCHeader: header(from), Size: 1 << 20}
			return g.InstallSnapshot(raft.ServerID(nodeID("b")), "b:17001", &req, new(raft.InstallSnapshotResponse), &slowReader{1 << 20, 0})
		}
		if err := install(a.Group(9), "a"); !errors.Is(err, ErrNotDelivered) || !strings.Contains(err.Error(), "no group") {
			t.Errorf("unknown group: %v", err)
		}
		if err := install(ga, "x"); !errors.Is(err, ErrNotDelivered) {
			t.Errorf("in another's name: %v", err)
		}
	})
}

// TestChunkReader: whatever is wrong with a stream, Raft's reader ends with an
// error that stays, and io.EOF means that everything has arrived.
func TestChunkReader(t *testing.T) {
	chunk := func(seq uint64, data string) []byte {
		f := appendUint32(beginFrame(nil, kindChunk, seq), crc32.Checksum([]byte(data), castagnoli))
		f = append(f, data...)
		endFrame(f, 0, 0)
		return f
	}
	end := func(total uint64) []byte {
		f := binary.BigEndian.AppendUint64(beginFrame(nil, kindEnd, 0), total)
		endFrame(f, 0, 0)
		return f
	}
	flipped := chunk(2, "world")
	flipped[len(flipped)-1] ^= 1
	for name, c := range map[string]struct {
		frames [][]byte
		data   string
		want   error
	}{
		"good":        {[][]byte{chunk(1, "hello"), chunk(2, "world"), end(10)}, "helloworld", nil},
		"flipped bit": {[][]byte{chunk(1, "hello"), flipped, end(10)}, "hello", ErrProtocol},
		"ended early": {[][]byte{chunk(1, "hello"), end(5)}, "hello", ErrProtocol},
		"wrong total": {[][]byte{chunk(1, "hello"), chunk(2, "world"), end(11)}, "helloworld", ErrProtocol},
		"chunk lost":  {[][]byte{chunk(1, "hello"), chunk(3, "world"), end(10)}, "hello", ErrProtocol},
		"too long":    {[][]byte{chunk(1, "hello"), chunk(2, "worlds")}, "hello", ErrProtocol},
		"broke":       {[][]byte{chunk(1, "hello"), chunk(2, "world")[:20]}, "hello", io.ErrUnexpectedEOF},
		"never ended": {[][]byte{chunk(1, "hello"), chunk(2, "world")}, "helloworld", io.ErrUnexpectedEOF},
		"empty chunk": {[][]byte{chunk(1, "")}, "", ErrProtocol},
		"other frame": {[][]byte{end(10)[:4], {frameVersion, kindPing, 0, 0, 0, 0, 0, 0, 0, 0}, make([]byte, 8)}, "", ErrProtocol},
	} {
		wire := bytes.NewReader(bytes.Join(c.frames, nil))
		r := &chunkReader{fr: newFrameReader(wire, chunkFrame, chunkFrame), left: 10, limit: time.Hour, timer: time.NewTimer(time.Hour)}
		b, err := io.ReadAll(r)
		if string(b) != c.data || !errors.Is(err, c.want) {
			t.Errorf("%s: %q, %v", name, b, err)
		}
		if _, again := r.Read(make([]byte, 1)); c.want != nil && again != err {
			t.Errorf("%s: then %v", name, again)
		}
	}
}

// TestSnapshotDoesNotHoldUpHeartbeats: while a snapshot is stuck, everything else goes on.
func TestSnapshotDoesNotHoldUpHeartbeats(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, _, b, ga, gb := pair(t)
		register(b)
		gb.SetHeartbeats(func(uint64, raft.ServerID) (uint64, bool) { return 1, true })
		id := raft.ServerID(nodeID("b"))
		ended := make(chan error, 1)
		go func() { // nobody reads gb's Consumer
			req := raft.InstallSnapshotRequest{RPCHeader: header("a"), Size: 50 << 20}
			ended <- ga.InstallSnapshot(id, "b:17001", &req, new(raft.InstallSnapshotResponse), &slowReader{50 << 20, 0})
		}()
		synctest.Wait()
		start := time.Now()
		beat := raft.AppendEntriesRequest{RPCHeader: header("a"), Term: 1}
		var resp raft.AppendEntriesResponse
		if err := ga.AppendEntries(id, "b:17001", &beat, &resp); err != nil || !resp.Success || time.Since(start) != 0 {
			t.Errorf("heartbeat: %v after %v", err, time.Since(start))
		}
		if err := <-ended; !errors.Is(err, ErrTimeout) || time.Since(start) > 11*time.Second {
			t.Errorf("stuck snapshot: %v after %v", err, time.Since(start))
		}
	})
}
