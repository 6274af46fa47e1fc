package transport

import (
	"sync/atomic"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/quorate/quorate/command"
	"github.com/quorate/quorate/security"
)

// Options configure a Server. Router and Table are required.
type Options struct {
	Router    Router
	Table     *Table
	Databases int // number of databases, default 16

	// Version is what HELLO reports, default "7.0.15": clients choose their
	// features by it.
	Version string

	Limits   *Limits      // nil: NewLimits
	Observer Observer     // nil: nobody watches
	Slow     SlowObserver // nil: nobody wants to know

	// Users are those that sessions can be; nil: only the default one, who may do
	// everything.
	Users *security.Users

	// Spread hands a message of PUBLISH to the other nodes, without waiting for
	// them; nil: there are none. An error is for the client.
	Spread func(channel, payload []byte) error

	// Busy returns the error that commands are told while a script has been running
	// for too long, or ""; nil: none ever does.
	Busy func() string

	// NotSaved reports whether PING fails, as in Redis, because the last RDB file couldn't
	// be written (stop-writes-on-bgsave-error); nil: never.
	NotSaved func() bool
	// Flushed is called behind FLUSHALL, before its reply goes out; nil: it isn't.
	Flushed func()

	// Loading reports whether this node loads the data of a slot, or with -1 any data at
	// all, so that there is nothing to run commands on; nil: it never does.
	Loading func(slot int) bool

	// Serves reports, without waiting, whether this node serves a slot; nil: all.
	Serves func(slot int) bool

	// Source is where sessions that send SYNC get the state; nil: nowhere. ReplID is
	// what they are told that its history is called, 40 hexadecimal digits.
	Source Source
	ReplID string

	Logger hclog.Logger // nil: silent
}

// Observer is told about commands. Safe for concurrent use, and quick: it is
// called on the path of every command.
type Observer interface {
	// Commands reports n commands of a kind that were answered together after d,
	// which is what their client waited for each of them.
	Commands(spec *command.Spec, n int, d time.Duration, failed bool)
	// Failure reports an error of a command that wasn't reported as failed: it
	// ran, or was rejected and has not been reported at all.
	Failure(spec *command.Spec, ran bool)
}

// Limits bound what clients can take. They may change while the server runs.
// Sizes are in bytes; the names are those of redis.conf unless a comment says
// otherwise.
type Limits struct {
	MaxClients       atomic.Int64 // maxclients, default 10000; more are refused
	ProtoMaxBulkLen  atomic.Int64 // proto-max-bulk-len, default 512 MiB
	QueryBuffer      atomic.Int64 // client-query-buffer-limit, default 1 GiB: input and MULTI queue of one client
	IdleTimeout      atomic.Int64 // timeout in seconds, default 0: never
	TCPKeepAlive     atomic.Int64 // tcp-keepalive in seconds, default 300; 0: off
	OutputHard       atomic.Int64 // client-output-buffer-limit normal, hard; default 0: none
	OutputSoft       atomic.Int64 // the same, soft; default 0: none
	OutputSoftSecs   atomic.Int64 // seconds over the soft limit that are tolerated
	ReplicaHard      atomic.Int64 // client-output-buffer-limit replica, hard; default 256 MiB
	ReplicaSoft      atomic.Int64 // the same, soft; default 64 MiB
	ReplicaSoftSecs  atomic.Int64
	ReplicaPing      atomic.Int64 // repl-ping-replica-period in seconds, default 10
	PubSubHard       atomic.Int64 // client-output-buffer-limit pubsub, hard; default 32 MiB
	PubSubSoft       atomic.Int64 // the same, soft; default 8 MiB
	PubSubSoftSecs   atomic.Int64 // default 60
	ProtectedMode    atomic.Bool  // protected-mode, default on
	UnitOps          atomic.Int64 // not in Redis: commands in one unit at the most, default 1024
	UnitBytes        atomic.Int64 // not in Redis: bytes of arguments after which a unit is sent, default 512 KiB
	WriteStall       atomic.Int64 // not in Redis: seconds that a client may leave replies unread before it is closed, default 300; 0: for ever
	TotalInput       atomic.Int64 // not in Redis: input buffers and MULTI queues of all clients together, default 4 GiB; who asks for more is closed; 0: unlimited
	TotalOutput      atomic.Int64 // not in Redis: unread replies of all clients together, default 1 GiB; the largest are closed; 0: unlimited
	UnauthenticatedQ atomic.Int64 // not in 7.0: input of a client that must authenticate first, default 1 MiB
}

// NewLimits returns the defaults.
func NewLimits() *Limits {
	l := &Limits{}
	l.MaxClients.Store(10000)
	l.ProtoMaxBulkLen.Store(512 << 20)
	l.QueryBuffer.Store(1 << 30)
	l.TCPKeepAlive.Store(300)
	l.ReplicaHard.Store(256 << 20)
	l.ReplicaSoft.Store(64 << 20)
	l.ReplicaSoftSecs.Store(60)
	l.ReplicaPing.Store(10)
	l.PubSubHard.Store(32 << 20)
	l.PubSubSoft.Store(8 << 20)
	l.PubSubSoftSecs.Store(60)
	l.ProtectedMode.Store(true)
	l.UnitOps.Store(1024)
	l.UnitBytes.Store(512 << 10)
	l.WriteStall.Store(300)
	l.TotalInput.Store(4 << 30)
	l.TotalOutput.Store(1 << 30)
	l.UnauthenticatedQ.Store(1 << 20)
	return l
}
