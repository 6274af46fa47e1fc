package backup

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/quorate/quorate/fsm/rdb"
)

// RestoreOptions say what Restore does.
type RestoreOptions struct {
	From     string // a backup or an RDB file
	To       Access
	Replace  bool // keys and function libraries that are there already
	Flush    bool // delete all keys and function libraries first
	Users    bool // the backup must have users that can be restored, by Restored.RestoreUsers
	DB       int  // the only database whose keys are taken; -1: all
	Progress io.Writer
	// LargeFrom is the size in bytes from which a value isn't sent by one RESTORE, which is one
	// entry of the log that everybody waits for; 0: 32 MiB.
	LargeFrom int64
}

// Restored is what Restore has done.
type Restored struct {
	Manifest *Manifest // of the backup; nil: it was an RDB file of another kind
	Bytes    int64     // of the files
	Contents *Contents
	Keys     int64 // that were to be restored
	Written  int64 // that the server has taken; those that have expired by now it has dropped
	Pieces   int64 // of them in pieces
	Busy     int64 // that stayed what they were, as Replace was not set
	BusyLibs int   // function libraries likewise
	Took     time.Duration

	users *restoringUsers // nil: they weren't asked for
}

// Restore puts the keys and function libraries of a backup or RDB file into a running
// server or cluster, whatever slots its servers have. Before anything is changed
// there, the source is read to its end and checked.
func Restore(ctx context.Context, o RestoreOptions) (*Restored, error) {
	s, err := openSource(o.From)
	if err != nil {
		return nil, err
	}
	var users []string
	if o.Users {
		if !s.hasUsers() {
			return nil, fmt.Errorf("%s %w", o.From, errNoUsers)
		}
		if users, err = s.users(); err != nil {
			return nil, err
		}
	}
	show := newProgress(o.Progress)
	defer show.end()
	began := time.Now()
	show.begin("check", s.size)
	contents, err := s.read(ctx, show, nothing)
	if err != nil {
		return nil, err
	}
	r := &restoring{o: o, s: s, show: show, done: &Restored{Manifest: s.manifest, Bytes: s.size, Contents: contents}}
	if r.top, err = discover(ctx, o.To); err != nil {
		return nil, err
	}
	if err := oneDatabase(r.top, contents, o.DB); err != nil {
		return nil, err
	}
	if r.o.LargeFrom, err = r.largest(ctx); err != nil {
		return nil, err
	}
	if o.Users {
		if r.done.users, err = prepareUsers(ctx, r.top, o, users); err != nil {
			return nil, err
		}
	}
	if o.Flush {
		if err := r.top.everywhere(ctx, func() {}, func(c *conn) error {
			if _, err := c.do("FLUSHALL"); err != nil {
				return err
			}
			_, err := c.do("FUNCTION", "FLUSH")
			return err
		}); err != nil {
			return nil, err
		}
	}
	if err := r.functions(ctx); err != nil {
		return nil, err
	}
	show.begin("restore", s.size)
	err = r.keys(ctx)
	if err == nil {
		err = r.functions(ctx) // a group may have got another leader meanwhile
	}
	r.done.Written, r.done.Busy, r.done.Pieces = r.written.Load(), r.busy.Load(), r.large.Load()
	r.done.Took = time.Since(began)
	return r.done, err
}

// largest returns the size from which values are sent in pieces: what was asked for, or
// less where the server takes less.
func (r *restoring) largest(ctx context.Context) (int64, error) {
	size := cmp.Or(r.o.LargeFrom, 32<<20)
	c, err := r.o.To.dial(ctx, r.o.To.Addr)
	if err != nil {
		return 0, err
	}
	defer c.close()
	const margin = 4 << 10 // the payload isn't just what the file has
	config, err := c.do("CONFIG", "GET", "proto-max-bulk-len")
	if err == nil && len(config.elems) == 2 {
		if n, err := strconv.ParseInt(string(config.elems[1].text), 10, 64); err == nil {
			size = min(size, n-margin)
		}
	} else if err != nil && !isRefusal(err) { // the user may not be allowed to ask
		return 0, err
	}
	return size, nil
}

// oneDatabase refuses what a cluster has no place for.
func oneDatabase(t *topology, c *Contents, only int) error {
	if !t.isCluster() || only >= 0 {
		return nil
	}
	for _, db := range c.Databases {
		if db != 0 {
			return fmt.Errorf("there are keys in database %d, and a cluster has only database 0: --db N takes one database and leaves the others out", db)
		}
	}
	return nil
}

// target returns the database for keys of database db, false if they are left out.
func target(t *topology, db, only int) (int, bool) {
	switch {
	case only >= 0 && db != only:
		return 0, false
	case t.isCluster():
		return 0, true
	}
	return db, true
}

// restoring is a Restore under way.
type restoring struct {
	o    RestoreOptions
	s    *source
	top  *topology
	show *progress
	done *Restored

	written, busy, large atomic.Int64
}

// functions loads the libraries where they belong: on every server.
func (r *restoring) functions(ctx context.Context) error {
	if len(r.done.Contents.Libraries) == 0 {
		return nil
	}
	busy := map[string]bool{}
	err := r.top.everywhere(ctx, func() {}, func(c *conn) error {
		there, err := c.libraries()
		if err != nil {
			return err
		}
		for _, code := range r.done.Contents.Libraries {
			name := libraryName(code)
			if other, ok := there[name]; ok && other != code && !r.o.Replace {
				busy[name] = true
				continue
			}
			// Also where it is there: of several groups that a server leads, one may lack it.
			if _, err := c.do("FUNCTION", "LOAD", "REPLACE", code); err != nil {
				return err
			}
		}
		return nil
	})
	r.done.BusyLibs = len(busy)
	return err
}

// libraries asks a server for the code of its function libraries, by name.
func (c *conn) libraries() (map[string]string, error) {
	r, err := c.do("FUNCTION", "LIST", "WITHCODE")
	if err != nil {
		return nil, err
	}
	all := map[string]string{}
	for _, lib := range r.elems {
		var name, code string
		for i := 0; i+1 < len(lib.elems); i += 2 {
			switch value := string(lib.elems[i+1].text); string(lib.elems[i].text) {
			case "library_name":
				name = value
			case "library_code":
				code = value
			}
		}
		all[name] = code
	}
	return all, nil
}

// keys restores the keys.
func (r *restoring) keys(ctx context.Context) error {
	d := &delivery{top: r.top, commands: r.commands, take: r.take, alone: r.pieces, largeFrom: r.o.LargeFrom}
	ctx = d.start(ctx)
	_, err := r.s.read(ctx, r.show, func(rec *rdb.Record, size int64) error {
		if rec.Kind != rdb.KeyValue {
			return nil
		}
		db, wanted := target(r.top, rec.DB, r.o.DB)
		if !wanted {
			return nil
		}
		r.done.Keys++
		return d.add(ctx, itemOf(rec, db, size))
	})
	return d.finish(ctx, err)
}

func (r *restoring) commands(it *item) [][][]byte {
	if it.compares {
		return compareCommands(it)
	}
	args := [][]byte{[]byte("RESTORE"), it.key, strconv.AppendInt(nil, it.at, 10), rdb.AppendDump(nil, &it.value), []byte("ABSTTL")}
	if r.o.Replace {
		args = append(args, []byte("REPLACE"))
	}
	switch {
	case it.freq >= 0:
		args = append(args, []byte("FREQ"), strconv.AppendInt(nil, it.freq, 10))
	case it.idle >= 0:
		args = append(args, []byte("IDLETIME"), strconv.AppendInt(nil, it.idle, 10))
	}
	return [][][]byte{args}
}

func (r *restoring) take(_ context.Context, _ *conn, it *item, answers []answer) (done bool, err error) {
	if it.compares {
		same, err := it.equals(answers)
		switch {
		case err != nil:
			return false, err
		case same:
			r.written.Add(1)
		default:
			r.busy.Add(1)
		}
		return true, nil
	}
	err = answers[0].err
	var refused refusal
	switch {
	case err == nil:
		r.written.Add(1)
		return true, nil
	case errors.As(err, &refused) && strings.HasPrefix(refused.text, "BUSYKEY"):
		if it.unsure { // perhaps it was this
			it.compares = true
			return false, nil
		}
		r.busy.Add(1)
		return true, nil
	}
	return false, err
}

// pieces restores a value that is too large for one command.
func (r *restoring) pieces(ctx context.Context, w *worker, it *item) error {
	busy, err := w.large(ctx, it, r.o.Replace)
	switch {
	case err != nil:
	case busy:
		r.busy.Add(1)
	default:
		r.written.Add(1)
		r.large.Add(1)
	}
	return err
}
