package transport

import (
	"bytes"
	"strconv"
	"time"

	"github.com/quorate/quorate/command"
	"github.com/quorate/quorate/fsm"
	"github.com/quorate/quorate/resp"
	"github.com/quorate/quorate/slots/hashslot"
)

// MIGRATE moves keys to another server: it reads them here, writes them there
// with RESTORE, and deletes here, through the log, what the other server has
// confirmed. Redis does nothing else meanwhile; here others go on, so the
// deletion is a transaction that watches the keys: a key that has changed since
// it was read is sent again.

func migrateCommand() *Command {
	moves := command.KeyRW | command.KeyAccess | command.KeyDelete
	return &Command{Run: migrate, Spec: command.Spec{Name: "MIGRATE", Arity: -6, Flags: command.Write | command.MovableKeys,
		ACL: command.Keyspace | command.Dangerous, Group: "generic", Since: "2.6.0", Complexity: "O(N), when N is the size of the values",
		Keys: []command.KeySpec{{Flags: moves, Pos: 3, Step: 1},
			{Flags: moves | command.KeyIncomplete, Pos: -2, Keyword: "KEYS", Last: -1, Step: 1}},
		Extract: func(args [][]byte) ([]int, bool) { return migrateKeys(args), true },
		Syntax:  "host port <key | \"\"> destination-db timeout [COPY] [REPLACE] [AUTH [password] | AUTH2 [username password]] [KEYS key [key ...]]",
		Summary: "Moves keys to another server.", Tips: []string{"nondeterministic_output"}}}
}

// migrateOptions are the arguments of MIGRATE behind the fixed ones.
type migrateOptions struct {
	copies, replace bool
	auth            [][]byte // AUTH and its arguments, or nil
	keys            []int    // indexes of the keys
}

// migrateKeys returns the indexes of the keys, none when both a key and KEYS are
// given. Like Redis's key specs and migrateGetKeys it minds neither unknown
// options nor a KEYS with nothing behind it.
func migrateKeys(args [][]byte) []int {
	for i := 6; i < len(args)-1; i++ {
		switch a := args[i]; {
		case equalFold(a, "AUTH"):
			i++
		case equalFold(a, "AUTH2"):
			i += 2
		case equalFold(a, "KEYS"):
			if len(args[3]) != 0 {
				return nil
			}
			return indexes(i+1, len(args))
		}
	}
	return []int{3}
}

// indexes returns the numbers from first up to end, without end.
func indexes(first, end int) []int {
	all := make([]int, 0, end-first)
	for i := first; i < end; i++ {
		all = append(all, i)
	}
	return all
}

// parseMigrate reads the options, or returns the error.
func parseMigrate(args [][]byte) (o migrateOptions, problem string) {
	o.keys = []int{3}
	for i := 6; i < len(args); i++ {
		more := len(args) - 1 - i
		switch a := args[i]; {
		case equalFold(a, "COPY"):
			o.copies = true
		case equalFold(a, "REPLACE"):
			o.replace = true
		case equalFold(a, "AUTH") && more >= 1:
			o.auth = [][]byte{[]byte("AUTH"), args[i+1]}
			i++
		case equalFold(a, "AUTH2") && more >= 2:
			o.auth = [][]byte{[]byte("AUTH"), args[i+1], args[i+2]}
			i += 2
		case equalFold(a, "KEYS"):
			if len(args[3]) != 0 {
				return o, "ERR When using MIGRATE KEYS option, the key argument must be set to the empty string"
			}
			o.keys = indexes(i+1, len(args))
			return o, ""
		default:
			return o, "ERR syntax error"
		}
	}
	return o, ""
}

// migrate implements MIGRATE.
//
// Source: Redis 7.0 docs for MIGRATE. Reply: OK, NOKEY if none of the keys
// exists, or the first error of the target; the keys it took are moved then.
func migrate(s *Session, args [][]byte) {
	o, problem := parseMigrate(args)
	if problem != "" {
		s.Error(problem)
		return
	}
	timeout, ok := parseLength(args[5])
	db, dbOK := parseLength(args[4])
	if !ok || !dbOK {
		s.Error(errNotInteger)
		return
	}
	if timeout <= 0 {
		timeout = 1000
	}
	m := &migration{s: s, o: o, db: db, slot: -1, sent: map[string]bool{},
		timeout: time.Duration(min(timeout, maxTimeout)) * time.Millisecond}
	keys := make([][]byte, len(o.keys))
	for i, at := range o.keys {
		keys[i] = append([]byte(nil), args[at]...)
	}
	s.publish(false) // it isn't idle
	if problem := m.run(string(args[1]), args[2], keys); problem != "" {
		s.Error(problem)
	}
}

// migration is a MIGRATE under way.
type migration struct {
	s       *Session
	o       migrateOptions
	group   Group
	slot    int   // of the keys; -1: it doesn't matter
	db      int64 // at the target
	timeout time.Duration
	target  *target
	sent    map[string]bool // keys that the target has from here
	refused string          // the target's first error
}

const (
	migrateTogether = 64      // keys that are sent and deleted together at the most
	migrateBytes    = 1 << 20 // and so many bytes of values, or one value
	migrateAttempts = 5       // times that a key is sent while it changes
)

const errMigrateChanged = "TRYAGAIN The keys changed while they were migrated, they are still here"

// run moves the keys and writes the reply, or returns the error.
func (m *migration) run(host string, port []byte, keys [][]byte) (problem string) {
	router := m.s.srv.opts.Router
	route := 0
	if router.Cluster() && len(keys) > 0 {
		for _, k := range keys {
			if hashslot.Of(k) != hashslot.Of(keys[0]) {
				return errCrossSlot
			}
		}
		m.slot = int(hashslot.Of(keys[0]))
		route = m.slot
	}
	if m.group, problem = router.Route(route); m.group == nil {
		return problem
	}
	if g, ok := m.group.(interface{ Bar() fsm.Bar }); ok && g.Bar() != fsm.NoBar {
		return g.Bar().Reply()
	}
	if keys, problem = m.existing(keys); problem != "" {
		return problem
	}
	if len(keys) == 0 {
		m.s.Simple("NOKEY")
		return ""
	}
	if m.target, problem = dialTarget(m.s, host, port, m.timeout); problem != "" {
		return problem
	}
	defer m.target.conn.Close()
	if problem = m.enter(); problem != "" {
		return problem
	}
	for len(keys) > 0 {
		n, problem := m.move(keys[:min(len(keys), migrateTogether)])
		if problem != "" {
			return problem
		}
		keys = keys[n:]
	}
	if m.refused != "" {
		return "ERR Target instance replied with error: " + m.refused
	}
	m.s.OK()
	return ""
}

// enter authenticates at the target and selects the database.
func (m *migration) enter() (problem string) {
	commands := [][][]byte{{[]byte("SELECT"), strconv.AppendInt(nil, m.db, 10)}}
	if m.o.auth != nil {
		commands = append([][][]byte{m.o.auth}, commands...)
	}
	for _, c := range commands {
		if problem = m.target.write(c); problem != "" {
			return problem
		}
		refused, problem := m.target.read()
		if problem != "" {
			return problem
		}
		if refused != "" {
			return "ERR Target instance replied with error: " + refused
		}
	}
	return ""
}

// existing returns those of the keys that are there.
func (m *migration) existing(keys [][]byte) (there [][]byte, problem string) {
	ops := make([]fsm.Op, len(keys))
	for i, k := range keys {
		ops[i] = m.op("EXISTS", k)
	}
	reply, problem := m.do(ops...)
	for _, k := range keys {
		if problem != "" {
			return nil, problem
		}
		n := replyLen(reply)
		if string(reply[:n]) == ":1\r\n" {
			there = append(there, k)
		}
		reply = reply[n:]
	}
	return there, problem
}

// move sends some of the keys, as many as go together, and deletes what the
// target has taken. It returns how many it has dealt with.
func (m *migration) move(keys [][]byte) (n int, problem string) {
	for range migrateAttempts {
		var done bool
		if n, done, problem = m.attempt(keys); done || problem != "" {
			return n, problem
		}
		keys = keys[:n]
	}
	return n, errMigrateChanged
}

// attempt sends some of the keys and deletes what the target has taken. It isn't
// done if a key has changed meanwhile.
func (m *migration) attempt(keys [][]byte) (n int, done bool, problem string) {
	var watch fsm.Watch
	if !m.o.copies {
		defer m.group.Unwatch(&watch)
		if err := m.group.Watch(&watch, m.s.db, keys); err != nil {
			return 0, false, m.problem(err)
		}
	}
	var sent, taken [][]byte
	size := 0
	for n < len(keys) && size < migrateBytes && problem == "" {
		var restore [][]byte
		if restore, problem = m.read(keys[n]); restore != nil {
			size += len(restore[3])
			problem = m.target.write(restore)
			sent = append(sent, keys[n])
		}
		n++
	}
	for _, key := range sent {
		if problem != "" {
			break
		}
		var refused string
		switch refused, problem = m.target.read(); {
		case problem != "":
		case refused == "":
			taken, m.sent[string(key)] = append(taken, key), true
		case m.refused == "":
			m.refused = refused
		}
	}
	if m.o.copies || len(taken) == 0 {
		return n, true, problem
	}
	// What the target has is deleted here whatever happened to the others.
	reply, failed := m.do(fsm.Op{Tx: []fsm.Op{m.op("DEL", taken...)}, Slot: m.slot, Watch: &watch})
	switch {
	case failed != "":
		return n, false, failed
	case bytes.HasPrefix(reply, []byte("*1\r\n:")):
		return n, true, problem
	case bytes.HasPrefix(reply, []byte("*1\r\n-")):
		return n, false, string(bytes.TrimSuffix(reply[5:], []byte("\r\n")))
	}
	return n, false, problem
}

// read returns the RESTORE of a key's value as it is now; nil if it is gone.
func (m *migration) read(key []byte) (restore [][]byte, problem string) {
	reply, problem := m.do(m.op("DUMP", key), m.op("PTTL", key))
	if problem != "" || bytes.HasPrefix(reply, []byte("$-1")) {
		return nil, problem
	}
	n := replyLen(reply)
	ttl, err := strconv.ParseInt(string(bytes.TrimSpace(reply[n+1:])), 10, 64)
	switch {
	case err != nil || ttl == -2:
		return nil, ""
	case ttl == -1:
		ttl = 0
	default:
		ttl = max(ttl, 1) // 0 would be for ever
	}
	name := "RESTORE"
	if m.slot >= 0 {
		name = "RESTORE-ASKING" // the target may still import the slot
	}
	restore = [][]byte{[]byte(name), key, strconv.AppendInt(nil, ttl, 10), reply[headerLen(reply) : n-2]}
	if m.o.replace || m.sent[string(key)] {
		restore = append(restore, []byte("REPLACE"))
	}
	return restore, ""
}

// op returns a command of this server's own about keys.
func (m *migration) op(name string, keys ...[]byte) fsm.Op {
	return fsm.Op{Cmd: m.s.srv.opts.Table.Find([]byte(name)).Item.Data, Args: append([][]byte{[]byte(name)}, keys...),
		DB: m.s.db, Slot: m.slot}
}

// do runs steps and returns their replies in RESP2, or the error.
func (m *migration) do(ops ...fsm.Op) (reply []byte, problem string) {
	if len(ops) == 0 {
		return nil, ""
	}
	w := resp.Writer{Proto: 2}
	u := fsm.Unit{Ops: ops, Reply: &w, Client: m.s.id}
	if err := m.group.Do(&u); err != nil {
		return nil, m.problem(err)
	}
	if u.Index > 0 {
		m.s.wrote = written{m.group, u.Index}
	}
	if len(w.Buf) > 0 && w.Buf[0] == '-' {
		return nil, string(w.Buf[1 : headerLen(w.Buf)-2])
	}
	return w.Buf, ""
}

func (m *migration) problem(err error) string {
	router := m.s.srv.opts.Router
	return replyFor(err, router.Cluster(), func() string { return router.Redirect(max(m.slot, 0)) })
}
