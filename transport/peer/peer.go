// Package peer is the port between nodes: one listener and, for each pair of
// nodes and direction, one TCP connection that carries Raft for every group and
// the small request/response services of the layers above.
//
// The node that dials sends requests, the node that accepted answers; a pair of
// nodes that talk both ways therefore has two connections. Frames carry a length,
// a version, a kind and a call number, so answers come back in any order and a
// slow group delays nobody else. A snapshot travels over a connection of its own
// to the same port, because it would otherwise hold up heartbeats.
//
//	mux.go          listener, connections, Close, the monitor of silent ends
//	handshake.go    who is at the other end, and of which cluster
//	frame.go        frame layout and bounded reading
//	codec*.go       the bytes of the Raft messages
//	outbox.go       flush combining: many small frames, one system call
//	link.go         dialling, redialling
//	call.go         one request: encoding, reuse
//	outgoing.go     the dialled connection: pending calls, time limits
//	incoming.go     the accepted connection: dispatch
//	group*.go       raft.Transport for one group
//	snapshot*.go    InstallSnapshot streams
//	service.go      Call and Handle
//
// Only package time measures time here: deadlines of net.Conn are never used, so
// that a simulated network in a testing/synctest bubble behaves like a real one.
package peer

import (
	"context"
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/hashicorp/go-hclog"
)

// Network opens and accepts byte streams. It is passed in so that a simulation
// (package simnet) or TLS takes the place of TCP.
type Network interface {
	// Dial connects to addr. It must return soon after ctx ends.
	Dial(ctx context.Context, addr string) (net.Conn, error)
	// Listen starts listening on addr, "host:port".
	Listen(addr string) (net.Listener, error)
}

// TCP is the Network of the operating system. The zero value works.
type TCP struct{}

// Dial connects to a TCP address.
func (TCP) Dial(ctx context.Context, addr string) (net.Conn, error) {
	var d net.Dialer
	return d.DialContext(ctx, "tcp", addr)
}

// Listen listens on a TCP address.
func (TCP) Listen(addr string) (net.Listener, error) { return net.Listen("tcp", addr) }

// Options configures a Mux. Addr and NodeID are required; a zero elsewhere means
// the default.
type Options struct {
	// Addr is what other nodes dial, "host:port". If its port is 0, the port of
	// the listener takes its place.
	Addr string
	// Listen is the address to listen on, if not Addr.
	Listen string
	// NodeID is this node's name, 1 to 64 visible ASCII characters, and the same
	// as its raft.ServerID in every group. It is fixed for the life of the Mux.
	NodeID string
	// ClusterID names the cluster this node belongs to, "" until it belongs to
	// one (at most 64 visible ASCII characters). It is called for every Raft RPC
	// and must neither block nor be slow. nil means "" for ever.
	ClusterID func() string
	// Network defaults to TCP{}.
	Network Network
	// Logger defaults to one that discards.
	Logger hclog.Logger

	// DialTimeout limits connecting and handshake together. Default 750 ms; it is
	// also how long after a partition heals a node can stay unreachable.
	DialTimeout time.Duration
	// RPCTimeout limits heartbeats, votes, leadership transfers and calls without
	// a deadline of their own. Default 1 s.
	RPCTimeout time.Duration
	// AppendTimeout limits an AppendEntries that goes through the follower's main
	// loop and thus waits for its disk. Default 5 s.
	AppendTimeout time.Duration
	// StallTimeout is how long a connection with requests outstanding may stay
	// silent, pings included, before it is given up. Default 2 s. Too low breaks
	// slow links; too high prolongs recovery after a partition, because TCP's
	// own retransmissions become rare.
	StallTimeout time.Duration
	// ChunkTimeout limits each chunk of a snapshot stream. Default 10 s.
	ChunkTimeout time.Duration
	// MaxFrame is the largest frame accepted or sent, in bytes. Default 64 MiB,
	// at least 64 KiB, at most 1 GiB. One log entry must fit.
	MaxFrame int
	// MaxBatch is the size in bytes above which one AppendEntries is sent as
	// several, so that a heartbeat never waits behind more. Default 2 MiB.
	MaxBatch int
	// MaxIncoming limits accepted connections. Default 1024.
	MaxIncoming int
}

// Errors of this package. ErrNotDelivered is the one that decides what a client
// may be told: any error without it leaves the outcome of a call unknown.
var (
	// ErrNotDelivered is wrapped by errors after which the request has certainly
	// not reached its handler: not connected, refused, no such service, busy.
	ErrNotDelivered = errors.New("peer: not delivered")
	// ErrClosed is returned once the Mux or the GroupTransport is closed.
	ErrClosed = errors.New("peer: closed")
	// ErrTimeout is returned when no answer came in time.
	ErrTimeout = errors.New("peer: timed out")
	// ErrConnectionLost is returned to every call that was waiting for an answer
	// on a connection that broke.
	ErrConnectionLost = errors.New("peer: connection lost")
	// ErrIdentity is returned when another node than the one meant answers at an address.
	ErrIdentity = errors.New("peer: another node answers at this address")
	// ErrCluster is returned when the two ends belong to different clusters, or,
	// for a Raft RPC, when one of them belongs to none.
	ErrCluster = errors.New("peer: not of the same cluster")
	// ErrTooLarge is returned for a message that exceeds MaxFrame.
	ErrTooLarge = errors.New("peer: message exceeds the frame limit")
	// ErrProtocol is returned when the other end sent bytes that are no valid message.
	ErrProtocol = errors.New("peer: protocol error")
)

// RemoteError is an error that the other node sent as its answer.
type RemoteError struct {
	// Msg is the remote error's text.
	Msg string
	// Refused says that the request did not reach its handler.
	Refused bool
}

// Error returns the remote error's text.
func (e *RemoteError) Error() string { return e.Msg }

// Is makes errors.Is(err, ErrNotDelivered) true for a refusal.
func (e *RemoteError) Is(target error) bool { return e.Refused && target == ErrNotDelivered }

// notDelivered wraps err so that it is also an ErrNotDelivered.
func notDelivered(err error) error {
	if errors.Is(err, ErrNotDelivered) {
		return err
	}
	return fmt.Errorf("%w: %w", ErrNotDelivered, err)
}

// withDefaults fills in zero fields and rejects impossible ones.
func (o Options) withDefaults() (Options, error) {
	if !validName(o.NodeID) {
		return o, fmt.Errorf("peer: node id %q is not 1 to %d visible ASCII characters", o.NodeID, maxName)
	}
	if o.Addr == "" {
		return o, errors.New("peer: no address given")
	}
	if o.Listen == "" {
		o.Listen = o.Addr
	}
	if o.ClusterID == nil {
		o.ClusterID = func() string { return "" }
	}
	if o.Network == nil {
		o.Network = TCP{}
	}
	if o.Logger == nil {
		o.Logger = hclog.NewNullLogger()
	}
	for _, d := range []struct {
		field *time.Duration
		value time.Duration
	}{
		{&o.DialTimeout, 750 * time.Millisecond},
		{&o.RPCTimeout, time.Second},
		{&o.AppendTimeout, 5 * time.Second},
		{&o.StallTimeout, 2 * time.Second},
		{&o.ChunkTimeout, 10 * time.Second},
	} {
		if *d.field == 0 {
			*d.field = d.value
		}
		if *d.field < 0 {
			return o, errors.New("peer: negative time limit")
		}
	}
	for _, n := range []struct {
		field *int
		value int
	}{{&o.MaxFrame, 64 << 20}, {&o.MaxBatch, 2 << 20}, {&o.MaxIncoming, 1024}} {
		if *n.field == 0 {
			*n.field = n.value
		}
		if *n.field < 0 {
			return o, errors.New("peer: negative limit")
		}
	}
	if o.MaxFrame < 64<<10 || o.MaxFrame > 1<<30 {
		return o, fmt.Errorf("peer: frame limit %d is not between 64 KiB and 1 GiB", o.MaxFrame)
	}
	o.MaxBatch = min(o.MaxBatch, o.MaxFrame/2)
	return o, nil
}
