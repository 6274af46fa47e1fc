package transport

import (
	"testing"

	"github.com/quorate/quorate/fsm"
)

// An empty address is nobody's: it doesn't stand for everybody.
func TestClientKillOfNobody(t *testing.T) {
	_, addr := startServer(t, Options{Router: plainRouter{newFakeGroup(fsm.Options{})}})
	c, other := dial(t, addr), dial(t, addr)
	other.do("PING", "+PONG\r\n")
	c.args("CLIENT", "KILL", "")
	c.want("-ERR No such client\r\n")
	c.args("CLIENT", "KILL", "ADDR", "", "SKIPME", "no")
	c.want(":0\r\n")
	c.args("CLIENT", "KILL", "LADDR", "")
	c.want(":0\r\n")
	c.do("PING", "+PONG\r\n")
	other.do("PING", "+PONG\r\n")
}
