package transport

import (
	"maps"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/quorate/quorate/glob"
	"github.com/quorate/quorate/resp"
	"github.com/quorate/quorate/slots/hashslot"
)

// The three kinds of subscriptions.
const (
	channels = iota
	patterns
	shardChannels
	kinds
)

// What Redis calls the kinds' events.
var (
	subscribed   = [kinds]string{"subscribe", "psubscribe", "ssubscribe"}
	unsubscribed = [kinds]string{"unsubscribe", "punsubscribe", "sunsubscribe"}
)

// subscriptions are a session's. The names are guarded by the hub's lock, the
// counts may be read by anybody.
type subscriptions struct {
	names  [kinds]map[string]struct{}
	counts [kinds]atomic.Int32
}

// any reports whether there is a subscription: the session is in Redis's
// subscribed mode and of the class pubsub.
func (s *subscriptions) any() bool {
	return s.counts[channels].Load()|s.counts[patterns].Load()|s.counts[shardChannels].Load() != 0
}

// shown is the count that a reply to a kind's command ends with: channels and
// patterns are counted together.
func (s *subscriptions) shown(kind int) int64 {
	if kind == shardChannels {
		return int64(s.counts[shardChannels].Load())
	}
	return int64(s.counts[channels].Load()) + int64(s.counts[patterns].Load())
}

// topic is what at least one session subscribes to.
type topic struct {
	name        []byte
	subscribers map[*Session]struct{}
	at          int // place in hub.patterns
}

// hub knows who subscribes to what on this node. Safe for concurrent use. One
// lock for everything: all subscribers of the node see all messages in the same
// order.
type hub struct {
	mu       sync.Mutex
	topics   [kinds]map[string]*topic
	patterns []*topic    // those of topics[patterns], for publish
	slots    map[int]int // shard channels by slot

	events eventMask
}

// subscribe adds a subscription and returns false if the session had it.
func (h *hub) subscribe(s *Session, kind int, name string) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if _, twice := s.subs.names[kind][name]; twice {
		return false
	}
	if s.subs.names[kind] == nil {
		s.subs.names[kind] = map[string]struct{}{}
	}
	s.subs.names[kind][name] = struct{}{}
	s.subs.counts[kind].Add(1)
	t := h.topics[kind][name]
	if t == nil {
		t = &topic{name: []byte(name), subscribers: map[*Session]struct{}{}}
		if h.topics[kind] == nil {
			h.topics[kind] = map[string]*topic{}
		}
		h.topics[kind][name] = t
		switch kind {
		case patterns:
			t.at = len(h.patterns)
			h.patterns = append(h.patterns, t)
		case shardChannels:
			if h.slots == nil {
				h.slots = map[int]int{}
			}
			h.slots[int(hashslot.Of(t.name))]++
		}
		h.listenLocked()
	}
	t.subscribers[s] = struct{}{}
	return true
}

// unsubscribe removes a subscription if the session has it.
func (h *hub) unsubscribe(s *Session, kind int, name string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.unsubscribeLocked(s, kind, name)
}

func (h *hub) unsubscribeLocked(s *Session, kind int, name string) {
	if _, has := s.subs.names[kind][name]; !has {
		return
	}
	delete(s.subs.names[kind], name)
	s.subs.counts[kind].Add(-1)
	t := h.topics[kind][name]
	delete(t.subscribers, s)
	if len(t.subscribers) > 0 {
		return
	}
	delete(h.topics[kind], name)
	switch kind {
	case patterns:
		last := len(h.patterns) - 1
		h.patterns[t.at] = h.patterns[last]
		h.patterns[t.at].at = t.at
		h.patterns[last] = nil
		h.patterns = h.patterns[:last]
	case shardChannels:
		slot := int(hashslot.Of(t.name))
		if h.slots[slot]--; h.slots[slot] == 0 {
			delete(h.slots, slot)
		}
	}
	h.listenLocked()
}

// all returns the session's subscriptions of a kind, in the order of their names.
func (h *hub) all(s *Session, kind int) []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Sorted(maps.Keys(s.subs.names[kind]))
}

// leave removes all subscriptions of a session.
func (h *hub) leave(s *Session) {
	if !s.subs.any() {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	for kind := range kinds {
		for name := range s.subs.names[kind] {
			h.unsubscribeLocked(s, kind, name)
		}
	}
}

// publish delivers a message to this node's subscribers and returns how many
// deliveries that were.
func (h *hub) publish(kind int, channel, payload []byte) (n int64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if t := h.topics[kind][string(channel)]; t != nil {
		word := "message"
		if kind == shardChannels {
			word = "smessage"
		}
		m := &message{write: func(w *resp.Writer) {
			w.Push(3)
			w.BulkString(word)
			w.Bulk(channel)
			w.Bulk(payload)
		}}
		for s := range t.subscribers {
			s.tell(m)
			n++
		}
	}
	if kind == shardChannels {
		return n
	}
	for _, t := range h.patterns {
		if string(t.name) != "*" && !glob.Match(t.name, channel, false) {
			continue
		}
		m := &message{write: func(w *resp.Writer) {
			w.Push(4)
			w.BulkString("pmessage")
			w.Bulk(t.name)
			w.Bulk(channel)
			w.Bulk(payload)
		}}
		for s := range t.subscribers {
			s.tell(m)
			n++
		}
	}
	return n
}

// active returns the names with subscribers that match a pattern, all for nil.
func (h *hub) active(kind int, pattern []byte) []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	var found []string
	for name := range h.topics[kind] {
		if pattern == nil || string(pattern) == "*" || glob.Match(pattern, []byte(name), false) {
			found = append(found, name)
		}
	}
	slices.Sort(found)
	return found
}

// subscribers returns how many sessions subscribe to a name.
func (h *hub) subscribers(kind int, name []byte) int64 {
	h.mu.Lock()
	defer h.mu.Unlock()
	if t := h.topics[kind][string(name)]; t != nil {
		return int64(len(t.subscribers))
	}
	return 0
}

// size returns how many names of a kind have subscribers.
func (h *hub) size(kind int) int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.topics[kind])
}

// dropLost tells the subscribers of shard channels whose slots this node doesn't
// serve any more that their subscriptions have ended.
func (h *hub) dropLost(serves func(slot int) bool) {
	h.mu.Lock()
	held := slices.Collect(maps.Keys(h.slots))
	h.mu.Unlock()
	lost := map[int]bool{}
	for _, slot := range held {
		if !serves(slot) {
			lost[slot] = true
		}
	}
	if len(lost) == 0 {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	for name, t := range h.topics[shardChannels] {
		if !lost[int(hashslot.Of(t.name))] {
			continue
		}
		for s := range t.subscribers {
			h.unsubscribeLocked(s, shardChannels, name)
			left := s.subs.shown(shardChannels)
			s.tell(&message{write: func(w *resp.Writer) { writeSubscription(w, unsubscribed[shardChannels], name, left) }})
		}
	}
}

// writeSubscription writes what answers one name of SUBSCRIBE and the like.
func writeSubscription(w *resp.Writer, word, name string, count int64) {
	w.Push(3)
	w.BulkString(word)
	w.BulkString(name)
	w.Int(count)
}

// Publish delivers a message that was published on another node.
func (s *Server) Publish(channel, payload []byte) { s.hub.publish(channels, channel, payload) }

// PublishHere publishes what a script on this node says, to the other nodes too
// unless the channel is a shard's. It doesn't wait.
func (s *Server) PublishHere(shard bool, channel, payload []byte) {
	if shard {
		s.hub.publish(shardChannels, channel, payload)
		return
	}
	if s.opts.Spread != nil {
		if err := s.opts.Spread(channel, payload); err != nil {
			s.log.Warn("a script's message isn't sent to the other nodes", "reason", err)
		}
	}
	s.hub.publish(channels, channel, payload)
}

// CheckSlots ends the subscriptions to shard channels of slots that this node
// doesn't serve any more, and closes replicas if it leads other groups than before. It returns at once; the work is the janitor's.
func (s *Server) CheckSlots() {
	select {
	case s.recheck <- struct{}{}:
	default:
	}
}

func (s *Server) dropLost() {
	s.checkFeeds()
	if s.opts.Serves != nil {
		s.hub.dropLost(s.opts.Serves)
	}
}
