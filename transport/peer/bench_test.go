package peer

import (
	"context"
	"testing"

	"github.com/hashicorp/raft"
)

// benchPair opens two nodes on loopback and connects them.
func benchPair(b *testing.B) (from, to *Mux) {
	from, to = openTCP(b)("a"), openTCP(b)("b")
	b.Cleanup(func() { from.Close(); to.Close() })
	register(to)
	if _, err := from.Call(context.Background(), nodeID("b"), to.Addr(), echo, nil); err != nil {
		b.Fatal(err)
	}
	return from, to
}

func benchCall(b *testing.B, service byte, parallel int) {
	from, to := benchPair(b)
	ctx, node, addr, req := context.Background(), nodeID("b"), to.Addr(), make([]byte, 32)
	b.ReportAllocs()
	if parallel == 1 {
		for b.Loop() {
			if _, err := from.Call(ctx, node, addr, service, req); err != nil {
				b.Fatal(err)
			}
		}
		return
	}
	b.SetParallelism(parallel)
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if _, err := from.Call(ctx, node, addr, service, req); err != nil {
				b.Error(err)
				return
			}
		}
	})
}

func BenchmarkCallInline(b *testing.B)          { benchCall(b, whoami, 1) }
func BenchmarkCallHandler(b *testing.B)         { benchCall(b, echo, 1) }
func BenchmarkCallInlineParallel(b *testing.B)  { benchCall(b, whoami, 32) }
func BenchmarkCallHandlerParallel(b *testing.B) { benchCall(b, echo, 32) }

// BenchmarkHeartbeat: the fast path without what Raft itself does.
func BenchmarkHeartbeat(b *testing.B) {
	from, to := benchPair(b)
	g := to.Group(1)
	g.SetHeartbeats(func(uint64, raft.ServerID) (uint64, bool) { return 1, true })
	req := raft.AppendEntriesRequest{RPCHeader: header("a"), Term: 1, Leader: []byte("a:17001")}
	var resp raft.AppendEntriesResponse
	t := from.Group(1)
	b.ReportAllocs()
	for b.Loop() {
		if err := t.AppendEntries(raft.ServerID(nodeID("b")), raft.ServerAddress(to.Addr()), &req, &resp); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkAppendMiB: 1 MiB of entries through the consumer.
func BenchmarkAppendMiB(b *testing.B) {
	from, to := benchPair(b)
	g := to.Group(1)
	defer answerAppend(g, success)()
	req := raft.AppendEntriesRequest{RPCHeader: header("a"), Term: 1, Entries: []*raft.Log{{Index: 1, Term: 1, Data: make([]byte, 1<<20)}}}
	var resp raft.AppendEntriesResponse
	t := from.Group(1)
	b.SetBytes(1 << 20)
	b.ReportAllocs()
	for b.Loop() {
		if err := t.AppendEntries(raft.ServerID(nodeID("b")), raft.ServerAddress(to.Addr()), &req, &resp); err != nil {
			b.Fatal(err)
		}
	}
}
