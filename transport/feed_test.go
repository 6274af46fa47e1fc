package transport

import (
	"io"
	"strings"
	"testing"

	"github.com/quorate/quorate/command"
	"github.com/quorate/quorate/fsm"
)

// fakeSource is a source of a file for each group of a router. between is called
// after each group has been begun.
type fakeSource struct {
	router  *slotRouter
	between func()
	content fsm.File
}

func (s *fakeSource) Follow(c fsm.File, begin func(Group)) (io.ReadCloser, int64, error) {
	s.content = c
	for _, g := range s.router.Led() {
		begin(g)
		s.between()
	}
	return io.NopCloser(strings.NewReader("the-file")), 8, nil
}

// Backup has a file for the first half of the slots.
func (s *fakeSource) Backup(slot int) (io.ReadCloser, int64, string, error) {
	if slot >= 8192 {
		return nil, 0, "MOVED 8192 127.0.0.1:7002", nil
	}
	return io.NopCloser(strings.NewReader("one-group")), 9, "", nil
}

// feedServer is a server of two groups, with the commands that replicas send.
func feedServer(t *testing.T) (*Server, *fakeSource, string) {
	t.Helper()
	router := &slotRouter{groups: []Group{newFakeGroup(fsm.Options{}), newFakeGroup(fsm.Options{})}}
	source := &fakeSource{router: router, between: func() {}}
	cmd := func(name string, arity int, run func(*Session, [][]byte)) *Command {
		return &Command{Run: run, Spec: command.Spec{Name: name, Arity: arity, Group: "server", Flags: command.Admin | command.NoMulti}}
	}
	s, addr := startServer(t, Options{Router: router, Source: source, ReplID: strings.Repeat("a", 40),
		Table: NewTable(cmd("SYNC", 1, Sync), cmd("PSYNC", -3, PSync), cmd("REPLCONF", -1, ReplConf))})
	return s, source, addr
}

func effect(text string) fsm.Effects { return fsm.Effects{Commands: []byte(text), DB: 0} }

func TestReplConf(t *testing.T) {
	_, source, addr := feedServer(t)
	c := dial(t, addr)
	c.do("replconf listening-port 7001 ip-address here capa eof capa psync2", "+OK\r\n")
	c.do("replconf listening-port x", "-ERR value is not an integer or out of range\r\n")
	c.do("replconf capa", "-ERR syntax error\r\n")
	c.do("replconf nothing 1", "-ERR Unrecognized REPLCONF option: nothing\r\n")
	c.do("replconf rdb-only 2", "-ERR value is out of range, must be between 0 and 1\r\n")
	c.do("replconf rdb-filter-only keys", "-ERR Unsupported rdb-filter-only option: keys\r\n")
	c.do("replconf rdb-filter-only functions", "+OK\r\n")
	c.do("replconf rdb-only 1", "+OK\r\n")
	c.do("sync", "$8\r\nthe-file")
	if want := (fsm.File{NoKeys: true}); source.content != want {
		t.Errorf("the file was wanted with %+v", source.content)
	}
	c.do("ping", "+PONG\r\n") // it follows nothing
}

// TestBackup: SYNC after REPLCONF quorate-slot sends one group's file, once for each SYNC, and
// nothing follows it.
func TestBackup(t *testing.T) {
	s, source, addr := feedServer(t)
	c := dial(t, addr)
	for _, slot := range []string{"16384", "-1", "x"} {
		c.do("replconf quorate-slot "+slot, "-ERR Invalid slot\r\n")
	}
	c.do("replconf quorate-slot 5", "+OK\r\n")
	c.do("sync", "$9\r\none-group")
	s.Effects(source.router.groups[0], effect("lost"))
	c.do("replconf quorate-slot 8192", "+OK\r\n")
	c.do("sync", "-MOVED 8192 127.0.0.1:7002\r\n")
	c.do("replconf quorate-slot 0", "+OK\r\n")
	c.do("sync", "$9\r\none-group")
	c.do("ping", "+PONG\r\n")
	if r := s.Replication(); len(r.Replicas) != 0 {
		t.Errorf("a backup counts as a replica: %+v", r)
	}
}

// TestFeed: a session gets a group's effects from the moment on at which the
// group's part of the file ends, and the offsets count what it gets.
func TestFeed(t *testing.T) {
	s, source, addr := feedServer(t)
	first, second := source.router.groups[0], source.router.groups[1]
	s.Effects(first, effect("lost"))
	if _, wanted := s.EffectsWanted(); wanted {
		t.Error("effects are wanted by nobody")
	}
	begun := 0
	source.between = func() {
		if begun++; begun == 1 {
			s.Effects(first, effect("one "))
			s.Effects(second, effect("early")) // the second group's file will have it
		}
	}
	c := dial(t, addr)
	c.do("replconf listening-port 7001", "+OK\r\n")
	c.send("psync ? -1")
	// 4 and 9 bytes of the stream have been, of which it gets 4.
	c.want("+FULLRESYNC " + strings.Repeat("a", 40) + " 9\r\n$8\r\nthe-fileone ")
	s.Effects(second, effect("two "))
	c.want("two ")
	c.do("get a", "-"+errMonitoring+"\r\n")
	c.send("replconf ack 17")
	eventually(t, "the replica has acknowledged", func() bool {
		r := s.Replication()
		return len(r.Replicas) == 1 && r.Replicas[0].Offset == 17 && r.Offset == 17
	})
	r := s.Replication().Replicas[0]
	if r.Port != 7001 || r.IP != "127.0.0.1" || !r.Online {
		t.Errorf("the replica is shown as %+v", r)
	}
	if s.Replication().Synced != 1 {
		t.Error("it isn't counted")
	}
	s.EffectsLost(second)
	c.closed()
	eventually(t, "nobody follows", func() bool { _, wanted := s.EffectsWanted(); return !wanted })
}

// TestFeedOfOtherGroups: a node that leads other groups than before closes those
// who follow it.
func TestFeedOfOtherGroups(t *testing.T) {
	s, source, addr := feedServer(t)
	c := dial(t, addr)
	c.do("sync", "$8\r\nthe-file")
	s.checkFeeds()
	s.Effects(source.router.groups[0], effect("x"))
	c.want("x")
	source.router.groups = source.router.groups[:1]
	s.checkFeeds()
	c.closed()
}

// TestFeedOfWhole: what is about everything is only for those who follow one group.
func TestFeedOfWhole(t *testing.T) {
	s, source, addr := feedServer(t)
	both := dial(t, addr)
	both.do("sync", "$8\r\nthe-file")
	source.router.groups = source.router.groups[:1]
	one := dial(t, addr)
	one.do("sync", "$8\r\nthe-file")
	e := effect("flushall")
	e.Whole = true
	s.Effects(source.router.groups[0], e)
	one.want("flushall")
	eventually(t, "one is left", func() bool { return len(s.Replication().Replicas) == 1 })
}

// TestWholeWhileFileIsMade: what is about everything, of a group that is in the file already while
// others are still to come, may not reach the replica; and nobody minds what a group does that he doesn't follow.
func TestWholeWhileFileIsMade(t *testing.T) {
	s, source, addr := feedServer(t)
	e := effect("flushall")
	e.Whole = true
	n := 0
	source.between = func() {
		if n++; n == 1 {
			s.Effects(source.router.groups[0], e)
		}
	}
	c := dial(t, addr)
	c.send("sync")
	c.closed()
	eventually(t, "it has left", func() bool { return len(s.Replication().Replicas) == 0 })
	source.between = func() {}
	all := source.router.groups
	source.router.groups = all[1:]
	other := dial(t, addr)
	other.do("sync", "$8\r\nthe-file")
	source.router.groups = all
	s.Effects(all[0], e)
	s.Effects(all[1], effect("set"))
	other.want("set")
}

// TestSlowFeed: a replica that doesn't read is closed, and nobody waits for it.
func TestSlowFeed(t *testing.T) {
	s, source, addr := feedServer(t)
	s.Limits().ReplicaHard.Store(1 << 20)
	slow := dial(t, addr)
	slow.do("sync", "$8\r\nthe-file")
	text := strings.Repeat("x", 50_000)
	for range 500 { // much more than the system's buffers take
		s.Effects(source.router.groups[0], effect(text))
	}
	eventually(t, "the session has ended", func() bool { return s.Stats().Connected == 0 })
	if s.Stats().Limited != 1 {
		t.Errorf("%d sessions closed by a limit, want 1", s.Stats().Limited)
	}
}
