package harness

import (
	"fmt"
	"math/rand/v2"
	"net"
	"strconv"
	"sync"
)

// PeerPortOffset is the distance between a node's client port and its peer
// port, in Quorate and in Redis Cluster.
const PeerPortOffset = 10000

// Client ports are drawn from here: the peer ports above them stay below 32768,
// where Linux begins to hand out ports to outgoing connections.
const (
	firstPort = 11000
	lastPort  = 22000
)

var ports struct {
	sync.Mutex
	taken map[int]bool // handed out by this process; never reused
}

// FreePorts returns n client ports that are free on 127.0.0.1 together with
// their peer ports. base 0 draws at random; otherwise the ports are base,
// base+1, ... and it is an error if one of them is in use.
func FreePorts(n, base int) ([]int, error) {
	ports.Lock()
	defer ports.Unlock()
	if ports.taken == nil {
		ports.taken = map[int]bool{}
	}
	var out []int
	for try := 0; len(out) < n; try++ {
		if try > 5000 {
			return nil, fmt.Errorf("no %d free ports between %d and %d", n, firstPort, lastPort)
		}
		p := firstPort + rand.IntN(lastPort-firstPort)
		if base != 0 {
			p = base + try
		}
		if ports.taken[p] || !portFree(p) || !portFree(p+PeerPortOffset) {
			if base != 0 {
				return nil, fmt.Errorf("port %d or %d is in use", p, p+PeerPortOffset)
			}
			continue
		}
		ports.taken[p] = true
		out = append(out, p)
	}
	return out, nil
}

func portFree(port int) bool {
	l, err := net.Listen("tcp", Addr(port))
	if err != nil {
		return false
	}
	return l.Close() == nil
}

// Addr is the loopback address of a port.
func Addr(port int) string { return "127.0.0.1:" + strconv.Itoa(port) }
