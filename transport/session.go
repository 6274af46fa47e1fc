package transport

import (
	"errors"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/quorate/quorate/command"
	"github.com/quorate/quorate/fsm"
	"github.com/quorate/quorate/resp"
	"github.com/quorate/quorate/security"
)

const (
	flushAt    = 64 << 10 // replies are written at the latest when there are so many bytes
	keepOutput = 64 << 10 // a larger reply buffer is given back after the round
)

// Session is one client connection. Its goroutine owns everything but what is
// marked otherwise. The embedded Writer is where the running command replies.
type Session struct {
	*resp.Writer

	// Fixed after construction.
	srv         *Server
	conn        net.Conn
	id          int64
	fd          int
	addr, laddr string
	created     time.Time

	settings
	authenticated bool // see mustAuth
	skipNext      bool // CLIENT REPLY SKIP came: no reply to the next command
	replyOff      bool // CLIENT REPLY OFF came
	ending        bool // close when the replies are written
	last          *command.Spec
	used          time.Time // when the last unit was sent or the last round ended

	in   input
	out  resp.Writer // replies of the round
	side resp.Writer // replies that are known already and wait for their place in the unit

	unit      fsm.Unit
	flushed   bool // a unit has run FLUSHALL
	sideMark  int  // where the running command's reply begins in side
	unitBytes int
	naps      time.Duration // of scripts' DEBUG SLEEP, before the reply
	unitTries bool          // it has scripts that are to be tried as reads: see separate
	unitLogs  bool          // it has writes
	perOp     int           // estimate of the bytes of reply to a step of a unit
	group     Group         // of the unit
	stale     bool          // the unit runs on a local replica that may lag

	track      *tracking
	monitoring bool
	feed       *feed // what others are told about it as a replica; nil: it is none
	rdb        rdbWish

	tx        transaction
	watch     watching
	wrote     written // for WAIT
	executing bool    // EXEC runs a command of the session

	processed int64 // commands since the counters were last told
	errors    int64 // error replies of the session's own commands
	// nestedError is the last error of a command that a script of the unit called.
	nestedError []byte

	// Shared with other goroutines.
	killed    atomic.Bool // close as soon as possible
	writing   atomic.Int64
	blocked   atomic.Pointer[blockage] // what the session waits for
	pending   atomic.Int64             // bytes of replies that the running write has to get rid of
	queued    atomic.Int64             // bytes in the MULTI queue
	push      atomic.Pointer[pushes]   // nil: nobody has ever had a message for it
	backlog   atomic.Int64             // bytes of messages that wait
	subs      subscriptions
	following atomic.Bool // it gets the stream of a replica
	user      atomic.Pointer[security.User]

	lastWords atomic.Bool // see Changing
	mu        sync.Mutex
	info      info // guarded by mu
}

// settings are what RESET undoes.
type settings struct {
	db       int
	name     string
	readonly bool
	asking   bool
	noEvict  bool
}

func newSession(srv *Server, conn net.Conn, id int64) *Session {
	s := &Session{srv: srv, conn: conn, id: id, created: time.Now(), fd: descriptor(conn),
		addr: address(conn.RemoteAddr(), conn.LocalAddr()), laddr: address(conn.LocalAddr(), conn.LocalAddr())}
	s.in.total = &srv.inputBytes
	s.out.Proto, s.side.Proto = 2, 2
	s.Writer = &s.out
	s.tx.slot = -1
	s.perOp = unitReply / firstUnit
	s.used = s.created
	s.beDefault()
	s.publish(true)
	return s
}

// ID returns the connection's number, as CLIENT ID does.
func (s *Session) ID() int64 { return s.id }

// DB returns the selected database.
func (s *Session) DB() int { return s.db }

// Addr returns the client's address as CLIENT LIST prints it.
func (s *Session) Addr() string { return s.addr }

// Router returns the server's router.
func (s *Session) Router() Router { return s.srv.opts.Router }

// Server returns the server the session belongs to.
func (s *Session) Server() *Server { return s.srv }

// serve runs the session until the connection ends.
func (s *Session) serve() {
	defer s.close()
	for !s.ending && !s.killed.Load() {
		if !s.read() {
			return
		}
		if !s.round() {
			return
		}
	}
}

// read waits for input. False means that the connection is done for.
func (s *Session) read() bool {
	lim := &s.srv.opts.Limits.QueryBuffer
	if s.mustAuth() {
		lim = &s.srv.opts.Limits.UnauthenticatedQ
	}
	for {
		n, err := s.in.fill(s.conn, lim.Load()-s.tx.bytes, s.srv.opts.Limits.TotalInput.Load())
		if n > 0 {
			s.srv.stats.input.Add(int64(n))
			return true
		}
		switch {
		case s.killed.Load():
			return false
		case errors.Is(err, os.ErrDeadlineExceeded):
			// The janitor's way to say that the connection is idle.
			s.in.shrink()
			s.unit.Ops, s.out.Buf, s.side.Buf = nil, nil, nil
			s.conn.SetReadDeadline(time.Time{})
			s.rest()
			if s.srv.closing.Load() {
				return false
			}
			s.publish(true)
		case errors.Is(err, errInputLimit), errors.Is(err, errTotalInput):
			s.srv.log.Warn("closing client", "client", s.addr, "reason", err)
			s.srv.stats.limited.Add(1)
			return false
		case err != nil:
			return false
		}
	}
}

// round runs all complete commands that have arrived and writes their replies.
func (s *Session) round() bool {
	s.begin()
	lim := frameLimits{maxBulk: s.srv.opts.Limits.ProtoMaxBulkLen.Load(), unauth: s.mustAuth()}
	for !s.ending {
		args, more, problem := s.in.next(lim)
		if problem != "" {
			s.flush()
			s.Error("ERR " + problem)
			s.ending = true
			break
		}
		if !more {
			break
		}
		if len(args) == 0 {
			continue
		}
		s.run(args)
		if s.killed.Load() {
			return false
		}
		if len(s.out.Buf) >= flushAt && !s.write() {
			return false
		}
		if s.srv.closing.Load() {
			s.ending = true
		}
		lim.unauth = s.mustAuth()
	}
	s.flush()
	ok := s.write()
	if cap(s.out.Buf) > keepOutput {
		s.out.Buf = nil
	}
	s.used = time.Now()
	s.publish(true)
	s.rest()
	return ok
}

// write sends the replies. It blocks while the client doesn't read; the janitor
// ends that (see limits in options.go).
func (s *Session) write() bool {
	s.account()
	s.drain()
	n := len(s.out.Buf)
	if n == 0 {
		return true
	}
	if hard, _, _ := s.outputLimits(); hard > 0 && int64(n) > hard {
		s.srv.log.Warn("closing client", "client", s.addr, "reason", "output buffer limit", "bytes", n)
		s.srv.stats.limited.Add(1)
		return false
	}
	ok := s.transmit(s.out.Buf)
	s.out.Buf = s.out.Buf[:0]
	return ok
}

// transmit writes to the connection. One goroutine at a time may call it: the
// session's, or that of its messages.
func (s *Session) transmit(b []byte) bool {
	n := int64(len(b))
	s.pending.Store(n)
	s.srv.outputBytes.Add(n)
	s.writing.Store(time.Now().UnixNano())
	_, err := s.conn.Write(b)
	s.writing.Store(0)
	s.srv.outputBytes.Add(-n)
	s.pending.Store(0)
	s.srv.stats.output.Add(n)
	return err == nil
}

// account tells the server's counters what has been processed.
func (s *Session) account() {
	if s.processed > 0 {
		s.srv.stats.commands.Add(s.processed)
		s.processed = 0
	}
}

// Error writes an error reply and counts it in the server's statistics.
func (s *Session) Error(msg string) {
	s.errors++
	s.srv.stats.countError(errorCode([]byte(msg)))
	s.Writer.Error(msg)
}

// setProto switches the protocol of everything written from now on.
func (s *Session) setProto(n int) {
	s.out.Proto, s.side.Proto = n, n
	s.speak(n)
}

// Kill closes the connection from another goroutine.
func (s *Session) kill() {
	s.killed.Store(true)
	s.conn.Close()
}

// close ends the session; its goroutine calls it.
func (s *Session) close() {
	s.account()
	s.unwatch()
	s.dropTx()
	s.leaveAll()
	s.conn.Close()
	s.endPushes()
	s.in.release()
}

// End closes the connection after the running command, without a reply if it
// wrote none: SHUTDOWN.
func (s *Session) End() { s.ending = true }
