package transport

import (
	"strconv"
	"strings"
	"sync/atomic"
)

// Keyspace notifications (notify-keyspace-events of Redis): the node that leads
// a group publishes the group's events to its own subscribers.

// eventClasses are the letters of notify-keyspace-events that stand for a class
// of events; the letter's place is the class's bit. K and E are how events of
// these classes are published.
const eventClasses = "g$lshzxetdnm"

const (
	allClasses = "g$lshzxetd" // what A stands for
	eventSpace = 1 << 30      // K: __keyspace@<db>__:<key>
	eventName  = 1 << 29      // E: __keyevent@<db>__:<event>
)

// eventMask says which events are worth publishing. The configured classes are
// guarded by the hub's lock; want may be read by anybody.
type eventMask struct {
	configured uint32
	want       atomic.Uint32 // configured while somebody subscribes, else 0
}

// parseEvents translates a value of notify-keyspace-events, which package config
// has checked.
func parseEvents(classes string) (mask uint32) {
	for _, c := range classes {
		switch c {
		case 'A':
			mask |= parseEvents(allClasses)
		case 'K':
			mask |= eventSpace
		case 'E':
			mask |= eventName
		default:
			if i := strings.IndexRune(eventClasses, c); i >= 0 {
				mask |= 1 << i
			}
		}
	}
	return mask
}

// SetEvents puts a value of notify-keyspace-events in force.
func (s *Server) SetEvents(classes string) {
	h := &s.hub
	h.mu.Lock()
	defer h.mu.Unlock()
	h.events.configured = parseEvents(classes)
	h.listenLocked()
}

// listenLocked puts the mask in force that follows from configuration and
// subscribers.
func (h *hub) listenLocked() {
	if len(h.topics[channels])+len(h.topics[patterns]) == 0 || h.events.configured&(eventSpace|eventName) == 0 {
		h.events.want.Store(0)
		return
	}
	h.events.want.Store(h.events.configured)
}

// Listening reports whether events of any class have to be told to Event.
func (s *Server) Listening() bool { return s.hub.events.want.Load() != 0 }

// Wants reports whether events of a class have to be told to Event. It costs one
// atomic load while nobody listens.
func (s *Server) Wants(class byte) bool {
	want := s.hub.events.want.Load()
	if want == 0 {
		return false
	}
	i := strings.IndexByte(eventClasses, class)
	return i >= 0 && want&(1<<i) != 0
}

// Event publishes a keyspace event to this node's subscribers. It doesn't block
// and may be called while an entry is applied.
func (s *Server) Event(class byte, event string, db int, key []byte) {
	if !s.Wants(class) {
		return
	}
	want := s.hub.events.want.Load()
	at := "@" + strconv.Itoa(db) + "__:"
	if want&eventSpace != 0 {
		s.hub.publish(channels, append([]byte("__keyspace"+at), key...), []byte(event))
	}
	if want&eventName != 0 {
		s.hub.publish(channels, []byte("__keyevent"+at+event), key)
	}
}
