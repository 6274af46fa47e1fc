package transport

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"strconv"
	"time"

	"github.com/quorate/quorate/fsm"
	"github.com/quorate/quorate/slots/hashslot"
)

// SYNC, PSYNC and REPLCONF as Redis 7.0 speaks them: whoever sends SYNC gets an
// RDB file of the state and then the stream of what the node's groups do. See
// docs/decisions/0013-effects.md.

// Sync implements SYNC.
func Sync(s *Session, _ [][]byte) { s.follow(false) }

// PSync implements PSYNC replicationid offset. What was sent before isn't kept:
// whatever the replica has, it gets the whole state.
func PSync(s *Session, args [][]byte) {
	if _, ok := parseLength(args[2]); !ok {
		s.Error(errNotInteger)
		return
	}
	s.follow(true)
}

// follow turns the session into one that follows.
func (s *Session) follow(partial bool) {
	if s.srv.opts.Source == nil {
		s.Error("ERR this server is no source for replicas")
		return
	}
	if s.feed != nil && s.feed.groups != nil {
		return // as in Redis
	}
	s.ownPushes() // messages wait behind the file from here on
	if s.rdb.backup {
		s.sendBackup(int(s.rdb.slot))
		return
	}
	if s.feed == nil {
		s.feed = &feed{s: s}
	}
	only := s.rdb.alone
	rdb, size, err := s.srv.opts.Source.Follow(s.rdb.content, func(g Group) {
		if !only {
			s.srv.feeds.join(s, g)
		}
	})
	if err != nil {
		s.srv.log.Warn("no snapshot for a replica", "client", s.addr, "reason", err)
		s.stopFollowing()
		s.Error("ERR Unable to perform background save")
		s.ending = true
		return
	}
	defer rdb.Close()
	var head []byte
	offset := int64(0)
	if only {
		offset = s.srv.Replication().Offset
	} else {
		offset = s.srv.feeds.begin(s)
	}
	if partial {
		head = append(head, "+FULLRESYNC "+s.srv.opts.ReplID+" "...)
		head = strconv.AppendInt(head, offset, 10)
		head = append(head, "\r\n"...)
	}
	head = append(head, '$')
	head = strconv.AppendInt(head, size, 10)
	head = append(head, "\r\n"...)
	if !s.hand(head, rdb, size) {
		s.kill()
	}
	s.publish(false)
}

// sendBackup replies to SYNC with the file of one group, and nothing follows it.
func (s *Session) sendBackup(slot int) {
	rdb, size, redirect, err := s.srv.opts.Source.Backup(slot)
	if err != nil {
		s.srv.log.Warn("no snapshot for a backup", "client", s.addr, "reason", err)
		s.Error("ERR Unable to perform background save")
		return
	}
	if redirect != "" {
		s.Error(redirect)
		return
	}
	defer rdb.Close()
	if !s.hand(fmt.Appendf(nil, "$%d\r\n", size), rdb, size) {
		s.kill()
	}
}

// hand writes what the session has replied so far, the head and the file.
func (s *Session) hand(head []byte, rdb io.Reader, size int64) bool {
	if !s.transmit(append(append([]byte(nil), s.out.Buf...), head...)) {
		return false
	}
	s.out.Buf = s.out.Buf[:0]
	chunk := make([]byte, 64<<10)
	for left := size; left > 0; {
		n, err := rdb.Read(chunk[:min(left, int64(len(chunk)))])
		if err != nil {
			s.srv.log.Warn("snapshot for a replica can't be read", "client", s.addr, "reason", err)
			return false
		}
		if left -= int64(n); !s.transmit(chunk[:n]) {
			return false
		}
	}
	return true
}

func (s *Session) stopFollowing() {
	if s.feed != nil {
		s.srv.feeds.leave(s)
		s.feed = nil
	}
}

// follows reports whether the session gets the stream.
func (s *Session) follows() bool { return s.feed != nil && s.feed.groups != nil }

// ReplConf implements REPLCONF option value [option value ...].
func ReplConf(s *Session, args [][]byte) {
	if len(args)%2 == 0 {
		s.Error(errSyntax)
		return
	}
	for i := 1; i < len(args); i += 2 {
		option, value := string(bytes.ToLower(args[i])), args[i+1]
		n, isNumber := parseLength(value)
		switch option {
		case "listening-port":
			if !isNumber {
				s.Error(errNotInteger)
				return
			}
			s.replicaPort(int(n))
		case "ip-address", "capa":
			// INFO shows where the connection comes from, and every replica gets the
			// file in the form that all understand.
		case "ack":
			if isNumber {
				s.acknowledge(n)
			}
			return // without a reply
		case "getack":
			return // is for replicas
		case "rdb-only":
			if !isNumber || n != 0 && n != 1 {
				s.Error("ERR value is out of range, must be between 0 and 1")
				return
			}
			s.rdb.alone = n == 1
		case "quorate-slot": // our own: SYNC sends the group of this slot, for a backup
			if !isNumber || n < 0 || n >= hashslot.Count {
				s.Error("ERR Invalid slot")
				return
			}
			s.rdb.backup, s.rdb.slot = true, uint16(n)
		case "rdb-filter-only":
			if problem := s.filterRDB(value); problem != "" {
				s.Error(problem)
				return
			}
		default:
			s.Error("ERR Unrecognized REPLCONF option: " + string(args[i]))
			return
		}
	}
	s.OK()
}

// rdbWish is what a session wants to get, instead of everything.
type rdbWish struct {
	alone   bool // the file, without the stream
	content fsm.File
	backup  bool   // one group's file with its origin, without the stream
	slot    uint16 // of that group
}

// filterRDB leaves out of the file what the words don't name: nothing if there
// are none.
func (s *Session) filterRDB(words []byte) (problem string) {
	content := fsm.File{}
	fields := bytes.Fields(words)
	content.NoKeys, content.NoFunctions = len(fields) > 0, len(fields) > 0
	for _, word := range fields {
		if !bytes.EqualFold(word, []byte("functions")) {
			return "ERR Unsupported rdb-filter-only option: " + string(word)
		}
		content.NoFunctions = false
	}
	s.rdb.content = content
	return ""
}

func (s *Session) replicaPort(port int) {
	if s.feed == nil {
		s.feed = &feed{s: s}
	}
	f := &s.srv.feeds
	f.mu.Lock()
	defer f.mu.Unlock()
	s.feed.port = port
}

// acknowledge notes how far the replica says it has come.
func (s *Session) acknowledge(offset int64) {
	if !s.follows() {
		return
	}
	f := &s.srv.feeds
	f.mu.Lock()
	defer f.mu.Unlock()
	s.feed.acked = max(s.feed.acked, offset)
	s.feed.heard = time.Now()
}

func hostOf(addr string) string {
	if host, _, err := net.SplitHostPort(addr); err == nil {
		return host
	}
	return addr
}
