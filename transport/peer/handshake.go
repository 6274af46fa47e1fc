package peer

import (
	"bytes"
	"fmt"
	"io"
)

// The handshake. The dialling end sends
//
//	"QPEER" u8 version u8 purpose, then as u8 length and bytes:
//	cluster id, node id, advertised address
//
// and the accepting end answers
//
//	"QPEER" u8 version u8 status, then as u8 length and bytes:
//	cluster id, node id, reason for refusal
//
// Both are bounded at about 800 bytes. Both ends check the cluster; the dialling
// end checks the node id with every call, because a connection serves callers
// that expect different nodes at its address after a node was replaced.
const (
	handshakeMagic   = "QPEER"
	handshakeVersion = 1
	handshakeFields  = 3
	maxName          = 64 // of node and cluster ids
)

// Purposes of a connection.
const (
	purposeMux      = 1
	purposeSnapshot = 2
)

// Handshake statuses.
const (
	statusOK      = 0
	statusRefused = 1
	statusCluster = 2
)

// hello is either half of the handshake: code is purpose or status, last is the
// address or the reason.
type hello struct {
	code    byte
	cluster string
	node    string
	last    string
}

func (h hello) append(dst []byte) []byte {
	dst = append(dst, handshakeMagic...)
	dst = append(dst, handshakeVersion, h.code)
	for _, s := range []string{h.cluster, h.node, h.last} {
		s = s[:min(len(s), 255)]
		dst = append(dst, byte(len(s)))
		dst = append(dst, s...)
	}
	return dst
}

// readHello reads one half of the handshake and nothing beyond it.
func readHello(r io.Reader) (hello, error) {
	var head [len(handshakeMagic) + 2]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return hello{}, cutShort(err)
	}
	if !bytes.HasPrefix(head[:], []byte(handshakeMagic)) {
		return hello{}, fmt.Errorf("%w: not a peer handshake", ErrProtocol)
	}
	if v := head[len(handshakeMagic)]; v != handshakeVersion {
		return hello{}, fmt.Errorf("%w: handshake version %d, want %d", ErrProtocol, v, handshakeVersion)
	}
	h := hello{code: head[len(handshakeMagic)+1]}
	var fields [handshakeFields]string
	for i := range fields {
		var n [1]byte
		if _, err := io.ReadFull(r, n[:]); err != nil {
			return hello{}, cutShort(err)
		}
		b := make([]byte, n[0])
		if _, err := io.ReadFull(r, b); err != nil {
			return hello{}, cutShort(err)
		}
		fields[i] = string(b)
	}
	h.cluster, h.node, h.last = fields[0], fields[1], fields[2]
	if h.cluster != "" && !validName(h.cluster) {
		return hello{}, fmt.Errorf("%w: malformed cluster id", ErrProtocol)
	}
	if h.node != "" && !validName(h.node) {
		return hello{}, fmt.Errorf("%w: malformed node id", ErrProtocol)
	}
	return h, nil
}

// clustersDiffer says whether two ends must not talk at all: both belong to a
// cluster, and not to the same.
func clustersDiffer(a, b string) bool { return a != "" && b != "" && a != b }

// validName accepts 1 to maxName visible ASCII characters.
func validName(s string) bool {
	if len(s) == 0 || len(s) > maxName {
		return false
	}
	for i := 0; i < len(s); i++ {
		if s[i] <= ' ' || s[i] >= 0x7f {
			return false
		}
	}
	return true
}
