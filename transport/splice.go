package transport

import (
	"bytes"
	"strconv"
)

// A transaction may hold commands of the session besides data commands. They
// must run if and only if the transaction does, so they run after it, each into
// its place in the array of replies, which a placeholder has kept.

var placeholder = []byte("+\r\n")

// splice replaces the placeholders in the reply of a transaction, which begins
// at mark, by the replies of its session commands. If the transaction didn't
// run there is nothing to replace.
func (s *Session) splice(mark int, tx *transaction) {
	reply := s.out.Buf[mark:]
	if len(reply) == 0 || reply[0] != '*' || bytes.HasPrefix(reply, []byte("*-1")) {
		return
	}
	rest := append([]byte(nil), reply[headerLen(reply):]...)
	s.out.Buf = s.out.Buf[:mark]
	s.out.Array(len(tx.queue))
	for i := range tx.queue {
		n := replyLen(rest)
		if n <= 0 {
			return
		}
		if tx.queue[i].node.Item.Conn != nil {
			s.runQueued(&tx.queue[i])
		} else {
			s.out.Raw(rest[:n])
		}
		rest = rest[n:]
	}
}

// headerLen returns the length of the first line of a reply.
func headerLen(b []byte) int { return bytes.IndexByte(b, '\n') + 1 }

// replyLen returns the length of the first reply in b, or 0 if it isn't
// complete. It reads what this server wrote, not what a client sent.
func replyLen(b []byte) int {
	pos := 0
	for left := int64(1); left > 0; left-- {
		n := headerLen(b[pos:])
		if n < 3 {
			return 0
		}
		kind, line := b[pos], b[pos+1:pos+n-2]
		pos += n
		switch kind {
		case '$', '=', '*', '%', '~', '>', '|':
		default:
			continue
		}
		size, err := strconv.ParseInt(string(line), 10, 64)
		if err != nil {
			return 0
		}
		size = max(size, 0)
		switch kind {
		case '$', '=':
			if string(line) == "-1" {
				continue
			}
			if int64(len(b)-pos) < size+2 {
				return 0
			}
			pos += int(size) + 2
		case '%':
			left += 2 * size
		case '|':
			left += 2*size + 1
		default:
			left += size
		}
	}
	return pos
}
