//go:build !linux || race

package nonblock

import "net"

// Conn returns c: what makes reads and writes quick is known for Linux, and the race
// detector would not see that what is read was written before.
func Conn(c net.Conn) net.Conn { return c }
