package peer

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"time"
)

// Handler serves a request of the node from (by its own account). req belongs to
// the handler; the response must not change after it was returned. ctx ends when
// the caller has given up, at the caller's deadline, and with the connection.
type Handler func(ctx context.Context, from string, req []byte) ([]byte, error)

// InlineHandler serves a request on the goroutine that reads the connection: it
// must take microseconds and never block. It appends the response to dst and
// returns it; req is only valid until it returns.
type InlineHandler func(from string, req, dst []byte) []byte

type service struct {
	handler Handler
	inline  InlineHandler
}

// Handle registers the handler of a service; each call runs in a goroutine of its
// own, at most 512 at a time for each connection. Calls to a service that is not
// registered are refused, so register before others call.
func (m *Mux) Handle(id byte, h Handler) { m.services[id].Store(&service{handler: h}) }

// HandleInline registers a handler that runs where the request is read, for
// questions answered from memory, such as "what is your term". Calls on one
// connection run one after the other.
func (m *Mux) HandleInline(id byte, h InlineHandler) { m.services[id].Store(&service{inline: h}) }

// Call calls a service of the node nodeID at addr and returns its response.
// nodeID "" accepts any node. Without a deadline in ctx, RPCTimeout applies.
//
// An error that is an ErrNotDelivered means that the handler did not run; after
// a *RemoteError that is none, it ran and returned that error; after any other
// error it may have run or still run.
func (m *Mux) Call(ctx context.Context, nodeID, addr string, id byte, req []byte) ([]byte, error) {
	limit := m.opts.RPCTimeout
	if deadline, ok := ctx.Deadline(); ok {
		limit = time.Until(deadline)
	}
	if err := ctx.Err(); err != nil || limit <= 0 {
		return nil, notDelivered(errors.Join(err, ErrTimeout))
	}
	var start time.Time
	l := m.link(addr)
	connected := l.conn.Load() != nil
	if !connected {
		start = time.Now()
	}
	c, err := l.connected(nodeID, limit, nil, ctx.Done())
	if err != nil {
		return nil, err
	}
	if !connected {
		limit -= time.Since(start)
	}
	q := request{kind: kindService, service: id, limitMs: limitMs(limit), body: req}
	k := m.newCall(max(limit, time.Millisecond))
	if err := c.send(k, &q); err != nil {
		m.release(k)
		return nil, err
	}
	body, err := m.wait(k, ctx.Done())
	if errors.Is(err, errCancelled) {
		err = fmt.Errorf("peer: call to %s: %w", addr, ctx.Err())
	}
	return body, err
}

// Go calls a service like Call, but returns at once. done is called once with the
// outcome, usually on the goroutine that reads the connection: it must not block.
// It may be called before Go returns. limit 0 means RPCTimeout.
func (m *Mux) Go(nodeID, addr string, id byte, req []byte, limit time.Duration, done func([]byte, error)) {
	if limit <= 0 {
		limit = m.opts.RPCTimeout
	}
	l := m.link(addr)
	if c := l.conn.Load(); c != nil {
		c.start(nodeID, id, req, limit, done)
		return
	}
	begun := m.spawn(func() {
		c, err := l.get(limit, nil, nil)
		if err != nil {
			done(nil, err)
			return
		}
		c.start(nodeID, id, req, limit, done)
	})
	if !begun {
		done(nil, notDelivered(ErrClosed))
	}
}

// start sends an asynchronous call.
func (c *outgoing) start(nodeID string, id byte, req []byte, limit time.Duration, done func([]byte, error)) {
	if err := c.is(nodeID); err != nil {
		done(nil, err)
		return
	}
	// Not from the pool: only a caller that waits knows when a call is free again.
	k := newCall()
	k.limit, k.async = limit, done
	q := request{kind: kindService, service: id, limitMs: limitMs(limit), body: req}
	if err := c.send(k, &q); err != nil {
		done(nil, err)
	}
}

// is checks that the other end is the node meant.
func (c *outgoing) is(nodeID string) error {
	if nodeID != "" && nodeID != c.node {
		return notDelivered(fmt.Errorf("%w: %s is %s, want %s", ErrIdentity, c.link.addr, c.node, nodeID))
	}
	return nil
}

// connected returns the connection to the node meant; see get.
func (l *link) connected(nodeID string, limit time.Duration, stop, cancel <-chan struct{}) (*outgoing, error) {
	c, err := l.get(limit, stop, cancel)
	if err != nil {
		return nil, err
	}
	return c, c.is(nodeID)
}

// limitMs rounds up, so that 0 keeps meaning none.
func limitMs(d time.Duration) uint32 {
	return uint32(min((d+time.Millisecond-1)/time.Millisecond, math.MaxUint32))
}

// handleService serves a kindService frame.
func (s *incoming) handleService(f frame) error {
	if len(f.body) < 5 {
		return fmt.Errorf("%w: service frame of %d bytes", ErrProtocol, len(f.body))
	}
	id, limit, req := f.body[0], binary.BigEndian.Uint32(f.body[1:]), f.body[5:]
	svc := s.m.services[id].Load()
	switch {
	case svc == nil:
		s.refuse(f.id, fmt.Errorf("peer: no service %d", id))
	case svc.inline != nil:
		s.runInline(f.id, svc.inline, req)
	default:
		if !f.owned {
			req = append(make([]byte, 0, len(req)), req...)
		}
		s.run(f.id, svc.handler, req, limit)
	}
	return nil
}

// runInline runs a handler on the reader's goroutine, with a buffer of the reader.
func (s *incoming) runInline(id uint64, h InlineHandler, req []byte) {
	resp := h(s.node, req, s.scratch[:0])
	if len(resp) >= bulkSize {
		s.scratch = nil // answer keeps referring to it
	} else {
		s.scratch = resp
	}
	s.answer(id, resp, false)
}

// run starts a handler in a goroutine. It is owned by the connection, ends when
// the handler returns, and reports through the answer.
func (s *incoming) run(id uint64, h Handler, req []byte, limit uint32) {
	var ctx context.Context
	var cancel context.CancelFunc
	if limit > 0 {
		ctx, cancel = context.WithTimeout(s.ctx, time.Duration(limit)*time.Millisecond)
	} else {
		ctx, cancel = context.WithCancel(s.ctx)
	}
	s.mu.Lock()
	_, twice := s.running[id]
	full := len(s.running) >= maxRunning
	if !twice && !full {
		s.running[id] = cancel
	}
	s.mu.Unlock()
	if twice || full {
		cancel()
		s.refuse(id, errBusy)
		return
	}
	begun := s.m.spawn(func() {
		resp, err := h(ctx, s.node, req)
		cancel()
		s.mu.Lock()
		delete(s.running, id)
		s.mu.Unlock()
		switch {
		case err != nil:
			s.answerError(id, codeHandler, err, true)
		case len(resp) > s.m.opts.MaxFrame-headerLen:
			s.answerError(id, codeHandler, ErrTooLarge, true)
		default:
			s.answer(id, resp, true)
		}
	})
	if !begun {
		cancel()
	}
}

// errBusy refuses a request because too many are waiting.
var errBusy = errors.New("peer: busy")
