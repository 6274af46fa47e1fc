package store

import (
	"sync"

	"github.com/hashicorp/raft"
)

// overlapLog lets a leader write an entry to its own log while the followers
// write it to theirs; the library would begin to send it only after its own
// write, so that an entry waited for two disks one after the other
// (docs/decisions/0012-overlapping-writes.md).
//
// The library counts the leader among those that have the entry as soon as
// StoreLogs returns, which is too early here. So nothing may follow from that
// count until the write has ended:
//
//   - the leader's state machine waits before it applies the entry (await), and
//     with it every answer and every read;
//   - followers aren't told that it is committed (committed);
//   - once the replica doesn't lead any more, nobody is told that it has the
//     entry: to look at it, as the library does before it answers a leader that
//     sends the entry again, is to wait (GetLog);
//   - the next write to the log, of whatever kind, begins after this one's end.
//
// A majority without the leader may be complete first; its entry waits for the
// leader too, as it does in the library.
//
// Safe for concurrent use.
type overlapLog struct {
	*logCache
	leads func() bool // the replica leads and serves

	mu      sync.Mutex
	writing []*raft.Log   // is being written, consecutive indexes; nil: nothing is
	done    chan struct{} // closed at the end of that write
	err     error         // what it failed with: nothing is written any more
}

// overlapBytes bounds the entries that are written behind the library's back.
const overlapBytes = 1 << 20

// StoreLog implements raft.LogStore.
func (o *overlapLog) StoreLog(l *raft.Log) error { return o.StoreLogs([]*raft.Log{l}) }

// StoreLogs implements raft.LogStore. The library calls it from its main loop
// only. A watched disk ends the process when a write fails (Disk.do); where none
// is watched the entry stays unwritten and unapplied, and the next write fails.
func (o *overlapLog) StoreLogs(logs []*raft.Log) error {
	if err := o.wait(); err != nil {
		return err
	}
	if !o.leads() || !overlaps(logs) {
		return o.logCache.StoreLogs(logs)
	}
	done := make(chan struct{})
	o.mu.Lock()
	o.writing, o.done = logs, done
	o.mu.Unlock()
	// Ends with the write; wait waits for it.
	go func() {
		err := o.logCache.StoreLogs(logs)
		o.mu.Lock()
		if o.err = err; err == nil {
			o.writing, o.done = nil, nil
		}
		o.mu.Unlock()
		close(done)
	}()
	return nil
}

// overlaps reports whether these are entries that only the state machine acts
// on. What the library itself acts on, such as the first entry of a term, the
// barrier behind it and configurations, is written the slow way.
func overlaps(logs []*raft.Log) bool {
	size := 0
	for _, l := range logs {
		if l.Type != raft.LogCommand {
			return false
		}
		size += len(l.Data)
	}
	return size <= overlapBytes
}

// first returns the first entry that is being written, or 0, and what to wait for.
func (o *overlapLog) first() (uint64, <-chan struct{}) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.writing == nil {
		return 0, nil
	}
	return o.writing[0].Index, o.done
}

// wait waits until nothing is being written.
func (o *overlapLog) wait() error {
	if _, done := o.first(); done != nil {
		<-done
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.err
}

// await waits until the entry at index is written. False says that stop closed
// first, or that it never will be.
func (o *overlapLog) await(index uint64, stop <-chan struct{}) bool {
	first, done := o.first()
	if first == 0 || index < first {
		return true
	}
	select {
	case <-done:
		return o.wait() == nil
	case <-stop:
		return false
	}
}

// committed lowers a commit index to what followers may be told.
func (o *overlapLog) committed(index uint64) uint64 {
	if first, _ := o.first(); first != 0 && index >= first {
		return first - 1
	}
	return index
}

// GetLog implements raft.LogStore.
func (o *overlapLog) GetLog(index uint64, out *raft.Log) error {
	o.mu.Lock()
	if o.writing == nil || index < o.writing[0].Index {
		o.mu.Unlock()
		return o.logCache.GetLog(index, out)
	}
	if i := index - o.writing[0].Index; i < uint64(len(o.writing)) && o.leads() {
		*out = *o.writing[i]
		o.mu.Unlock()
		return nil
	}
	o.mu.Unlock()
	if err := o.wait(); err != nil {
		return err
	}
	return o.logCache.GetLog(index, out)
}

// FirstIndex implements raft.LogStore.
func (o *overlapLog) FirstIndex() (uint64, error) {
	if err := o.wait(); err != nil {
		return 0, err
	}
	return o.logCache.FirstIndex()
}

// LastIndex implements raft.LogStore.
func (o *overlapLog) LastIndex() (uint64, error) {
	if err := o.wait(); err != nil {
		return 0, err
	}
	return o.logCache.LastIndex()
}

// DeleteRange implements raft.LogStore.
func (o *overlapLog) DeleteRange(min, max uint64) error {
	if err := o.wait(); err != nil {
		return err
	}
	return o.logCache.DeleteRange(min, max)
}

// overlapTransport tells followers of no commit that rests on a write in progress.
type overlapTransport struct {
	Transport
	log *overlapLog
}

// AppendEntries implements raft.Transport.
func (t overlapTransport) AppendEntries(id raft.ServerID, target raft.ServerAddress, args *raft.AppendEntriesRequest, resp *raft.AppendEntriesResponse) error {
	args.LeaderCommitIndex = t.log.committed(args.LeaderCommitIndex)
	return t.Transport.AppendEntries(id, target, args, resp)
}
