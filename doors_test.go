package main

import (
	"net"
	"strconv"
	"testing"

	"github.com/hashicorp/go-hclog"

	"github.com/quorate/quorate/config"
)

// free returns a port that nobody listens on.
func free(t *testing.T) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return strconv.Itoa(l.Addr().(*net.TCPAddr).Port)
}

// TestMoveDoors: CONFIG SET port and bind move the listeners, or nothing changes.
func TestMoveDoors(t *testing.T) {
	first, second := free(t), free(t)
	in, err := config.ParseArgs([]string{"--port", first, "--bind", "127.0.0.1"})
	if err != nil {
		t.Fatal(err)
	}
	cfg, err := config.Load(in, nil, config.Options{})
	if err != nil {
		t.Fatal(err)
	}
	d, err := openDoors(clientAddrs(cfg.Current()), hclog.NewNullLogger())
	if err != nil {
		t.Fatal(err)
	}
	defer d.close()
	moveDoors(cfg, d)
	reaches := func(addr string, want bool) {
		t.Helper()
		conn, err := net.Dial("tcp", addr)
		if err == nil {
			conn.Close()
		}
		if (err == nil) != want {
			t.Errorf("%s: %v", addr, err)
		}
	}
	set := func(want string, args ...string) {
		t.Helper()
		got := ""
		if err := cfg.Set(args, true); err != nil {
			got = err.Error()
		}
		if got != want {
			t.Errorf("CONFIG SET %v: %q, want %q", args, got, want)
		}
	}
	reaches("127.0.0.1:"+first, true)
	set("", "port", second)
	reaches("127.0.0.1:"+first, false)
	reaches("127.0.0.1:"+second, true)
	// All addresses exclude each single one: the door in the way makes room.
	set("", "bind", "*")
	reaches("127.0.0.1:"+second, true)
	set("", "bind", "127.0.0.1")
	reaches("127.0.0.1:"+second, true)

	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	port := strconv.Itoa(taken.Addr().(*net.TCPAddr).Port)
	set("CONFIG SET failed (possibly related to argument 'port') - Unable to listen on this port. Check server logs.", "maxclients", "77", "port", port)
	reaches("127.0.0.1:"+second, true)
	if s := cfg.Current(); strconv.FormatInt(s.Port, 10) != second || s.MaxClients == 77 {
		t.Errorf("port %d, maxclients %d", s.Port, s.MaxClients)
	}
	set("CONFIG SET failed (possibly related to argument 'bind') - Failed to bind to specified addresses.", "bind", "192.0.2.1")
	reaches("127.0.0.1:"+second, true)
	set("", "port", "0")
	reaches("127.0.0.1:"+second, false)
}
