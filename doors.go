package main

import (
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/hashicorp/go-hclog"

	"github.com/quorate/quorate/config"
	"github.com/quorate/quorate/transport"
)

// doors are the addresses at which clients come in. They are taken before there
// is anybody to serve them, and can move while the server runs.
type doors struct {
	log hclog.Logger

	mu    sync.Mutex
	open  map[string]net.Listener // by address as clientAddrs names it
	serve func(net.Listener)      // nil until there is a server
}

// openDoors takes all addresses or none.
func openDoors(addrs []string, log hclog.Logger) (*doors, error) {
	d := &doors{log: log, open: map[string]net.Listener{}}
	if _, err := d.add(addrs); err != nil {
		return nil, err
	}
	return d, nil
}

// add takes the addresses that aren't open yet, all or none; a missing one that
// may be missing counts as taken.
func (d *doors) add(addrs []string) (added []string, err error) {
	for _, a := range addrs {
		if d.open[a] != nil {
			continue
		}
		network, host := "tcp", strings.TrimPrefix(a, "-")
		if strings.HasPrefix(host, "0.0.0.0:") {
			network = "tcp4"
		} else if strings.HasPrefix(host, "[") {
			network = "tcp6"
		}
		l, err := net.Listen(network, host)
		switch {
		case err == nil:
			d.open[a] = l
			added = append(added, a)
		case a[0] != '-':
			d.drop(added)
			return nil, fmt.Errorf("listen for clients on %s: %w", a, err)
		}
	}
	return added, nil
}

func (d *doors) drop(addrs []string) {
	for _, a := range addrs {
		if err := d.open[a].Close(); err != nil {
			d.log.Warn("closing a listener failed", "addr", a, "reason", err)
		}
		delete(d.open, a)
	}
}

// close closes all: for when nobody has begun to serve them.
func (d *doors) close() {
	d.mu.Lock()
	defer d.mu.Unlock()
	for a := range d.open {
		d.drop([]string{a})
	}
}

// begin has the server serve the doors, those of later moves too. wg counts the
// goroutines, which end when the server closes or the door does.
func (d *doors) begin(clients *transport.Server, wg *sync.WaitGroup) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.serve = func(l net.Listener) {
		wg.Add(1)
		// Owned by serve. Stops when clients or l closes; serve waits.
		go func() {
			defer wg.Done()
			if err := clients.Serve(l); err != nil && !errors.Is(err, net.ErrClosed) {
				d.log.Error("listener ended", "addr", l.Addr(), "error", err)
			}
		}()
	}
	for _, l := range d.open {
		d.serve(l)
	}
}

// move opens the given doors and closes the others, or changes nothing. Clients
// that have come in stay.
func (d *doors) move(addrs []string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	var leaving []string
	for a := range d.open {
		if !slices.Contains(addrs, a) {
			leaving = append(leaving, a)
		}
	}
	added, err := d.add(addrs)
	if err != nil && slices.ContainsFunc(leaving, func(a string) bool { return samePort(a, addrs) }) {
		// One that shall go may be what is in the way: all addresses of a port
		// and one of them exclude each other.
		d.drop(leaving)
		if added, err = d.add(addrs); err != nil {
			back, undo := d.add(leaving)
			d.start(back)
			return errors.Join(err, undo)
		}
		leaving = nil
	}
	if err != nil {
		return err
	}
	d.drop(leaving)
	d.start(added)
	return nil
}

func (d *doors) start(addrs []string) {
	if d.serve == nil {
		return
	}
	for _, a := range addrs {
		d.serve(d.open[a])
	}
}

func samePort(addr string, others []string) bool {
	_, port, _ := net.SplitHostPort(strings.TrimPrefix(addr, "-"))
	return slices.ContainsFunc(others, func(o string) bool {
		_, p, _ := net.SplitHostPort(strings.TrimPrefix(o, "-"))
		return p == port
	})
}

// moveDoors has CONFIG SET port and bind move the doors. The address of a
// cluster's node is in the cluster's map and stays.
func moveDoors(cfg *config.Config, d *doors) {
	cfg.OnApply(func(old, next *config.Settings) error {
		text := "Unable to listen on this port. Check server logs."
		if old.Port == next.Port {
			text = "Failed to bind to specified addresses."
		}
		if err := d.move(clientAddrs(next)); err != nil {
			d.log.Error("clients can't come in where CONFIG SET says", "reason", err)
			return errors.New(text)
		}
		if next.ClusterEnabled && old.Port != next.Port {
			return errors.Join(errors.New("the port of a cluster's node can't be changed while it runs"), d.move(clientAddrs(old)))
		}
		return nil
	}, "port", "bind")
}

// clientAddrs returns the addresses to listen on for clients; a leading "-"
// marks one that may be missing.
func clientAddrs(s *config.Settings) []string {
	if s.Port == 0 {
		return nil
	}
	var out []string
	for _, b := range s.Bind {
		optional := strings.HasPrefix(b, "-")
		a := net.JoinHostPort(hostOf(b), strconv.FormatInt(s.Port, 10))
		if b == "*" || b == "-*" {
			a = net.JoinHostPort("0.0.0.0", strconv.FormatInt(s.Port, 10))
		}
		if optional {
			a = "-" + a
		}
		out = append(out, a)
	}
	return out
}

// hostOf turns an address of the bind directive into a host.
func hostOf(bind string) string {
	h := strings.TrimPrefix(bind, "-")
	switch h {
	case "*", "0.0.0.0":
		return "127.0.0.1"
	case "::*":
		return "::"
	}
	return h
}

func firstBind(s *config.Settings) string {
	if len(s.Bind) == 0 {
		return "127.0.0.1"
	}
	return s.Bind[0]
}
