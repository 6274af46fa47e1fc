package backup

import (
	"context"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"github.com/quorate/quorate/fsm/keyspace"
	"github.com/quorate/quorate/fsm/rdb"
)

// VerifyOptions say what Verify does.
type VerifyOptions struct {
	From     string  // a backup or an RDB file
	Against  *Access // nil: only the source is checked
	DB       int     // the only database whose keys are looked at; -1: all
	Users    bool    // check the file of users, too, if the backup has one
	Progress io.Writer
}

// Verified is what Verify has found: the source is sound.
type Verified struct {
	Manifest *Manifest // of the backup; nil: it was an RDB file of another kind
	Bytes    int64     // of the files
	Contents *Contents
	Took     time.Duration
	Compared *Comparison // with a server; nil: with none
}

// Comparison is of the keys of a source with those of a server.
type Comparison struct {
	Keys      int64 // that were looked for
	Equal     int64
	Missing   int64
	Expired   int64 // missing because their time has come
	Different int64 // another value
	Times     int64 // the same value with another expiry
	Extra     int64 // keys of the server that the source doesn't have
	// Libraries counts function libraries that a server lacks or has otherwise.
	Libraries int64
	// Examples are some of the keys that are not equal.
	Examples []string
}

// Same reports whether everything in the source is on the server as it was.
func (c *Comparison) Same() bool {
	return c.Missing == 0 && c.Different == 0 && c.Times == 0 && c.Libraries == 0
}

// Verify reads a backup or RDB file to its end, decodes every value, and checks all of it against
// checksums and manifest; with Against it looks for every key on a server or cluster.
func Verify(ctx context.Context, o VerifyOptions) (*Verified, error) {
	s, err := openSource(o.From)
	if err != nil {
		return nil, err
	}
	if o.Users && s.hasUsers() {
		if _, err := s.users(); err != nil {
			return nil, err
		}
	}
	show := newProgress(o.Progress)
	defer show.end()
	began := time.Now()
	v := &Verified{Bytes: s.size}
	show.begin("verify", s.size)
	if o.Against == nil {
		v.Contents, err = s.read(ctx, show, nothing)
	} else {
		v.Contents, v.Compared, err = compare(ctx, s, o, show)
	}
	v.Manifest, v.Took = s.manifest, time.Since(began)
	return v, err
}

// compare looks for the keys of a source on a server.
func compare(ctx context.Context, s *source, o VerifyOptions, show *progress) (*Contents, *Comparison, error) {
	top, err := discover(ctx, *o.Against)
	if err != nil {
		return nil, nil, err
	}
	c := &comparing{}
	d := &delivery{top: top, commands: compareCommands, take: c.take}
	walk := d.start(ctx)
	contents, err := s.read(walk, show, func(rec *rdb.Record, size int64) error {
		if rec.Kind != rdb.KeyValue {
			return nil
		}
		db, wanted := target(top, rec.DB, o.DB)
		if !wanted {
			return nil
		}
		c.found.Keys++
		return d.add(walk, itemOf(rec, db, size))
	})
	if err = d.finish(walk, err); err != nil {
		return nil, nil, err
	}
	if err := oneDatabase(top, contents, o.DB); err != nil {
		return nil, nil, err
	}
	total := int64(0)
	err = top.everywhere(ctx, func() { total, c.found.Libraries = 0, 0 }, func(s *conn) error {
		n, err := c.server(s, contents, top, o.DB)
		total += n
		return err
	})
	if err != nil {
		return nil, nil, err
	}
	c.found.Extra = max(0, total-c.found.Equal-c.found.Different-c.found.Times)
	return contents, &c.found, nil
}

// comparing is a comparison under way.
type comparing struct {
	mu    sync.Mutex
	found Comparison // Keys belongs to who reads the source
}

const examples = 5

func (c *comparing) take(_ context.Context, _ *conn, it *item, answers []answer) (done bool, err error) {
	value, time, err := it.compare(answers)
	if err != nil {
		return false, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	example := ""
	switch {
	case value == sameValue && time:
		c.found.Equal++
	case value == sameValue:
		c.found.Times++
		example = "another expiry"
	case value == otherValue:
		c.found.Different++
		example = "another value"
	case it.expired():
		c.found.Expired++
	default:
		c.found.Missing++
		example = "missing"
	}
	if example != "" && len(c.found.Examples) < examples {
		c.found.Examples = append(c.found.Examples, fmt.Sprintf("%.80q: %s", it.key, example))
	}
	return true, nil
}

// server counts the keys of a server, and compares its function libraries.
func (c *comparing) server(s *conn, contents *Contents, top *topology, only int) (keys int64, err error) {
	if len(contents.Libraries) > 0 {
		there, err := s.libraries()
		if err != nil {
			return 0, err
		}
		for _, code := range contents.Libraries {
			if there[libraryName(code)] != code {
				c.found.Libraries++
			}
		}
	}
	if top.isCluster() {
		r, err := s.do("DBSIZE")
		return r.n, err
	}
	r, err := s.do("INFO", "keyspace")
	for line := range strings.Lines(string(r.text)) {
		var db int
		var n int64
		if _, err := fmt.Sscanf(line, "db%d:keys=%d,", &db, &n); err == nil && (only < 0 || only == db) {
			keys += n
		}
	}
	return keys, err
}

// compareCommands ask for what a comparison needs.
func compareCommands(it *item) [][][]byte {
	return [][][]byte{{[]byte("DUMP"), it.key}, {[]byte("PEXPIRETIME"), it.key}}
}

type likeness int

const (
	noValue likeness = iota
	sameValue
	otherValue
)

// compare compares a key with the answers to compareCommands.
func (it *item) compare(answers []answer) (value likeness, sameTime bool, err error) {
	for _, a := range answers {
		if a.err != nil {
			return noValue, false, a.err
		}
	}
	dump, at := answers[0].text, answers[1].n
	if dump == nil {
		return noValue, false, nil
	}
	limits := keyspace.DefaultLimits()
	theirs, err := rdb.ParseDump(dump, &limits)
	if err != nil {
		return noValue, false, fmt.Errorf("what the server has: %w", err)
	}
	value = otherValue
	if digestOf(&theirs) == digestOf(&it.value) {
		value = sameValue
	}
	return value, at == it.at || at == -1 && it.at == 0, nil
}

// equals reports whether the server has the key as it is. One that has expired is as it should be.
func (it *item) equals(answers []answer) (bool, error) {
	value, time, err := it.compare(answers)
	return value == sameValue && time || value == noValue && it.expired(), err
}

// expired reports whether the key's time has come.
func (it *item) expired() bool { return it.at != 0 && it.at <= time.Now().UnixMilli() }

// holds asks the server whether it has the key as it is.
func (c *conn) holds(it *item) (bool, error) {
	for _, command := range compareCommands(it) {
		c.send(command...)
	}
	if err := c.flush(); err != nil {
		return false, err
	}
	answers := make([]answer, 2)
	for i := range answers {
		answers[i].reply, answers[i].err = c.receive()
		if err := answers[i].err; err != nil && !isRefusal(err) {
			return false, err
		}
	}
	return it.equals(answers)
}
