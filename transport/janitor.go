package transport

import (
	"slices"
	"strings"
	"time"
)

// The janitor looks at all sessions once a second, so that sessions need no
// timers: it closes idle clients and those that leave too much unread, and
// wakes up sessions that have been quiet for a while to give memory back.

const (
	janitorEvery = time.Second
	shrinkAfter  = 5 * time.Second
)

// Owned by Server. Stops when the server closes; Close waits.
func (s *Server) janitor() {
	defer s.wg.Done()
	tick := time.NewTicker(janitorEvery)
	defer tick.Stop()
	for {
		select {
		case now := <-tick.C:
			if !s.untidy.Load() {
				s.tidy(now)
			}
			s.feeds.ping(now, time.Duration(s.opts.Limits.ReplicaPing.Load())*time.Second)
			s.dropLost()
		case <-s.recheck:
			s.dropLost()
		case <-s.done:
			return
		}
	}
}

// PauseJanitor stops the closing of idle and slow clients, or resumes it.
func (s *Server) PauseJanitor(on bool) { s.untidy.Store(on) }

func (s *Server) tidy(now time.Time) {
	lim := s.opts.Limits
	idle := time.Duration(lim.IdleTimeout.Load()) * time.Second
	stall := time.Duration(lim.WriteStall.Load()) * time.Second
	var unread []*Session
	for _, c := range s.sessions.all() {
		c.checkPushes(now)
		if since := c.writing.Load(); since != 0 {
			blocked := now.Sub(time.Unix(0, since))
			pending := c.pending.Load()
			_, soft, softTime := c.outputLimits()
			switch {
			case stall > 0 && blocked >= stall:
				s.evict(c, "client doesn't read its replies")
			case soft > 0 && pending > soft && blocked >= softTime:
				s.evict(c, "output buffer soft limit")
			default:
				unread = append(unread, c)
			}
			continue
		}
		c.mu.Lock()
		quiet, waiting, held := now.Sub(c.info.used), c.info.waiting, c.info.held
		listens := strings.ContainsAny(c.info.flags, "OPS") // never idle, as in Redis
		c.mu.Unlock()
		switch {
		case !waiting:
		case idle > 0 && quiet >= idle && !listens:
			s.log.Debug("closing idle client", "client", c.addr)
			c.kill()
		case quiet >= shrinkAfter && held > 2*smallInput:
			c.conn.SetReadDeadline(time.Unix(1, 0)) // long past: its read returns at once
		}
	}
	if total := lim.TotalOutput.Load(); total > 0 {
		s.dropLargest(unread, total)
	}
}

// dropLargest closes the sessions with the most unread bytes until the sum is
// below total.
func (s *Server) dropLargest(unread []*Session, total int64) {
	var sum int64
	size := make(map[*Session]int64, len(unread))
	for _, c := range unread {
		size[c] = c.pending.Load() + c.backlog.Load()
		sum += size[c]
	}
	if sum <= total {
		return
	}
	slices.SortFunc(unread, func(a, b *Session) int { return int(min(max(size[b]-size[a], -1), 1)) })
	for _, c := range unread {
		if sum <= total {
			return
		}
		sum -= size[c]
		s.evict(c, "unread replies of all clients reached their limit")
	}
}

func (s *Server) evict(c *Session, reason string) {
	s.log.Warn("closing client", "client", c.addr, "reason", reason)
	s.stats.limited.Add(1)
	c.kill()
}
