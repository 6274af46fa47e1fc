package store

import (
	"fmt"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/raft"
)

// raftLog stands between the Raft library and our log. The library reports a
// peer's trouble with every message that fails, five a second for each group;
// raftLog reports when it begins and when it ends, and leaves the repetitions
// to the debug level. Safe for concurrent use.
type raftLog struct {
	hclog.Logger
	addressOf func(raft.ServerID) raft.ServerAddress
	now       func() time.Time

	mu       sync.Mutex
	troubled map[string]time.Time // by the peer's address: since when
	said     map[string]bool      // notices of an election under way
}

// peerNotices are the library's messages about a peer that can't be reached,
// with the argument that tells which.
var peerNotices = map[string]string{
	"failed to heartbeat to":                  "peer",
	"failed to appendEntries to":              "peer",
	"failed to pipeline appendEntries":        "peer",
	"failed to start pipeline replication to": "peer",
	"failed to make requestVote RPC":          "target",
	"failed to contact":                       "server-id",
}

// electionNotices return with each attempt to win an election, two a second
// while there is no majority.
var electionNotices = map[string]bool{
	"entering candidate state":                               true,
	"Election timeout reached, restarting election":          true,
	"pre-vote campaign failed, waiting for election timeout": true,
}

// newRaftLog returns the library's logger. addressOf translates the IDs that
// some messages have where others have addresses; an unknown one stays "".
func newRaftLog(out hclog.Logger, addressOf func(raft.ServerID) raft.ServerAddress) *raftLog {
	return &raftLog{Logger: out, addressOf: addressOf, now: time.Now, troubled: map[string]time.Time{}, said: map[string]bool{}}
}

// Error implements hclog.Logger.
func (l *raftLog) Error(msg string, args ...any) { l.filter(hclog.Error, msg, args) }

// Warn implements hclog.Logger.
func (l *raftLog) Warn(msg string, args ...any) { l.filter(hclog.Warn, msg, args) }

// Info implements hclog.Logger.
func (l *raftLog) Info(msg string, args ...any) { l.filter(hclog.Info, msg, args) }

func (l *raftLog) filter(level hclog.Level, msg string, args []any) {
	if name, ok := peerNotices[msg]; ok {
		if l.begins(l.peer(argument(args, name))) {
			level = hclog.Warn
		} else {
			level = hclog.Debug
		}
	} else if electionNotices[msg] && l.repeats(msg) {
		level = hclog.Debug
	}
	l.Logger.Log(level, msg, args...)
}

// begins reports whether this is the first news of a peer's trouble.
func (l *raftLog) begins(peer string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if _, known := l.troubled[peer]; known {
		return false
	}
	l.troubled[peer] = l.now()
	return true
}

func (l *raftLog) repeats(msg string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	known := l.said[msg]
	l.said[msg] = true
	return known
}

// observe is a filter function for raft.NewObserver that lets nothing through:
// the library calls it wherever something happens, so it doesn't block.
func (l *raftLog) observe(o *raft.Observation) bool {
	switch e := o.Data.(type) {
	case raft.ResumedHeartbeatObservation:
		l.ends(l.peer(e.PeerID))
	case raft.LeaderObservation:
		if e.LeaderID != "" {
			l.forget()
		}
	}
	return false
}

// ends reports that a peer answers again.
func (l *raftLog) ends(peer string) {
	l.mu.Lock()
	since, known := l.troubled[peer]
	delete(l.troubled, peer)
	l.mu.Unlock()
	if known {
		l.Logger.Info("a peer answers again", "peer", peer, "after", l.now().Sub(since).Round(time.Millisecond))
	}
}

// forget starts afresh with a new leader: the library's replication does so
// too, and doesn't say what came of troubles it had before.
func (l *raftLog) forget() {
	l.mu.Lock()
	defer l.mu.Unlock()
	clear(l.said)
	clear(l.troubled)
}

// peer returns the address that stands for a peer in all messages.
func (l *raftLog) peer(v any) string {
	switch p := v.(type) {
	case raft.Server:
		return string(p.Address)
	case raft.ServerID:
		if a := l.addressOf(p); a != "" {
			return string(a)
		}
	}
	return fmt.Sprint(v)
}

// argument returns the value of a name in a list of names and values.
func argument(args []any, name string) any {
	for i := 0; i+1 < len(args); i += 2 {
		if args[i] == name {
			return args[i+1]
		}
	}
	return nil
}
