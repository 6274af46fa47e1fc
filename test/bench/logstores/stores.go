package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/raft"
	raftboltdb "github.com/hashicorp/raft-boltdb/v2"
	raftwal "github.com/hashicorp/raft-wal"
	"go.etcd.io/bbolt"

	"github.com/quorate/quorate/store/wal"
)

// stores is the logs of some groups, opened as a server would.
type stores struct {
	logs  []raft.LogStore
	close func() error
}

func open(name, dir string, groups int) (*stores, error) {
	s := &stores{}
	var closers []func() error
	s.close = func() (err error) {
		for _, c := range closers {
			err = errors.Join(err, c())
		}
		return err
	}
	if name == "shared" {
		w, err := wal.Open(dir, wal.Options{Sync: wal.Always})
		if err != nil {
			return nil, err
		}
		closers = append(closers, w.Close)
		for g := range groups {
			s.logs = append(s.logs, w.Group(uint32(g)))
		}
		return s, nil
	}
	for g := range groups {
		own := filepath.Join(dir, fmt.Sprint(g))
		if err := os.MkdirAll(own, 0o700); err != nil {
			return nil, err
		}
		switch name {
		case "boltdb": // with the server's options
			b, err := raftboltdb.New(raftboltdb.Options{Path: filepath.Join(own, "raft.db"),
				BoltOptions: &bbolt.Options{Timeout: time.Second, NoFreelistSync: true, FreelistType: bbolt.FreelistMapType, InitialMmapSize: 64 << 20}})
			if err != nil {
				return nil, err
			}
			s.logs, closers = append(s.logs, b), append(closers, b.Close)
		case "raft-wal":
			w, err := raftwal.Open(own, raftwal.WithLogger(hclog.NewNullLogger()))
			if err != nil {
				return nil, err
			}
			s.logs, closers = append(s.logs, w), append(closers, w.Close)
		default:
			return nil, fmt.Errorf("no store %q", name)
		}
	}
	return s, nil
}
