package transport

import (
	"maps"
	"sync"
	"sync/atomic"
)

// Stats are the counters of INFO's clients, stats and errorstats sections.
type Stats struct {
	Connected        int
	Paused           int64 // waiting because of CLIENT PAUSE
	Blocked          int64 // wait in a blocking command
	Timed            int64 // those of them that don't wait for ever
	TotalConnections int64
	Rejected         int64 // because of maxclients or protected mode
	Limited          int64 // closed because of a limit on their buffers or an unread reply
	Commands         int64
	InputBytes       int64 // received
	OutputBytes      int64 // sent
	InputBuffers     int64 // held now, MULTI queues included
	OutputBuffers    int64 // waiting for clients to read
	ErrorReplies     int64
	Errors           map[string]int64 // by the first word of the error reply
	PubSub           struct{ Channels, Patterns, ShardChannels int }
	Tracking         struct{ Clients, Keys, Items, Prefixes int }
}

type counters struct {
	connections, rejected, limited atomic.Int64
	commands, input, output        atomic.Int64
	failed                         atomic.Int64

	mu     sync.Mutex
	errors map[string]int64 // guarded by mu
}

// maxErrorCodes bounds errorstats; scripts can make codes up.
const maxErrorCodes = 128

func (c *counters) countError(code string) {
	c.failed.Add(1)
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.errors == nil {
		c.errors = map[string]int64{}
	}
	if _, known := c.errors[code]; known || len(c.errors) < maxErrorCodes {
		c.errors[code]++
	}
}

// Stats returns the counters.
func (s *Server) Stats() Stats {
	c := &s.stats
	c.mu.Lock()
	codes := maps.Clone(c.errors)
	c.mu.Unlock()
	st := Stats{
		Connected: s.sessions.len(), Paused: s.paused.Load(), Blocked: s.blocked.Load(), Timed: s.timed.Load(), TotalConnections: c.connections.Load(), Rejected: c.rejected.Load(),
		Limited: c.limited.Load(), Commands: c.commands.Load(), InputBytes: c.input.Load(), OutputBytes: c.output.Load(),
		InputBuffers: s.inputBytes.Load(), OutputBuffers: s.outputBytes.Load(), ErrorReplies: c.failed.Load(), Errors: codes,
	}
	st.PubSub.Channels, st.PubSub.Patterns, st.PubSub.ShardChannels = s.hub.size(channels), s.hub.size(patterns), s.hub.size(shardChannels)
	st.Tracking.Clients = int(s.tracker.clients.Load())
	st.Tracking.Keys, st.Tracking.Items, st.Tracking.Prefixes = s.tracker.figures()
	return st
}

// ResetStats sets the counters of CONFIG RESETSTAT to zero.
func (s *Server) ResetStats() {
	c := &s.stats
	for _, n := range []*atomic.Int64{&c.connections, &c.rejected, &c.limited, &c.commands, &c.input, &c.output, &c.failed} {
		n.Store(0)
	}
	c.mu.Lock()
	c.errors = nil
	c.mu.Unlock()
}
