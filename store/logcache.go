package store

import (
	"sync"

	"github.com/hashicorp/raft"
)

// logCache keeps the newest entries of a log store in memory, bounded by count
// and by bytes: replication and apply read them back at once. The library's own
// cache counts entries only, and 512 entries of 1 MiB are half a gigabyte.
// Entries enter it after they were stored, never before.
type logCache struct {
	raft.LogStore
	maxBytes int

	mu    sync.RWMutex
	logs  []*raft.Log // consecutive indexes
	bytes int
}

const maxCachedLogs = 1024

func newLogCache(s raft.LogStore, maxBytes int) *logCache {
	return &logCache{LogStore: s, maxBytes: maxBytes}
}

// IsMonotonic implements raft.MonotonicLogStore: the library deletes the whole
// log when it has installed a snapshot, where it would otherwise leave the end
// of the old log before a gap. Those entries may never have been committed, and
// this replica would send them to others if it came to lead.
func (c *logCache) IsMonotonic() bool { return true }

// GetLog implements raft.LogStore.
func (c *logCache) GetLog(index uint64, out *raft.Log) error {
	c.mu.RLock()
	if len(c.logs) > 0 {
		first := c.logs[0].Index
		if index >= first && index < first+uint64(len(c.logs)) {
			*out = *c.logs[index-first]
			c.mu.RUnlock()
			return nil
		}
	}
	c.mu.RUnlock()
	return c.LogStore.GetLog(index, out)
}

// StoreLog implements raft.LogStore.
func (c *logCache) StoreLog(l *raft.Log) error { return c.StoreLogs([]*raft.Log{l}) }

// StoreLogs implements raft.LogStore.
func (c *logCache) StoreLogs(logs []*raft.Log) error {
	if err := c.LogStore.StoreLogs(logs); err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, l := range logs {
		if n := len(c.logs); n > 0 && l.Index != c.logs[n-1].Index+1 {
			c.clear() // an overwritten tail or a jump: only a run is kept
		}
		c.logs = append(c.logs, l)
		c.bytes += len(l.Data)
	}
	drop := 0
	for len(c.logs)-drop > 1 && (c.bytes > c.maxBytes || len(c.logs)-drop > maxCachedLogs) {
		c.bytes -= len(c.logs[drop].Data)
		c.logs[drop] = nil
		drop++
	}
	c.logs = c.logs[drop:]
	return nil
}

// DeleteRange implements raft.LogStore.
func (c *logCache) DeleteRange(min, max uint64) error {
	c.mu.Lock()
	c.clear()
	c.mu.Unlock()
	return c.LogStore.DeleteRange(min, max)
}

func (c *logCache) clear() { c.logs, c.bytes = nil, 0 }
