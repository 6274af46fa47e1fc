package main

import (
	"fmt"
	"strconv"
	"strings"
)

const (
	defaultCells   = "set:1x1,set:50x1,set:200x1,set:50x16,set:50x64,get:1x1,get:50x1,get:50x16,get:50x64,mixed:50x1"
	defaultTargets = "quorate,redis-repl,redis-aof,redis-mem,etcd"

	keyspace     = 100_000 // distinct keys, all present before the first GET
	valueBytes   = 100
	mixedReadPct = 90

	maxClients, maxPipeline = 10_000, 10_000
)

// cell is one kind of load: so many clients, each sending batches of so many
// commands and waiting for all replies before the next batch.
type cell struct {
	kind     string // "set", "get" or "mixed"
	clients  int
	pipeline int
}

func parseCell(name string) (cell, error) {
	kind, shape, ok := strings.Cut(strings.ToLower(strings.TrimSpace(name)), ":")
	c, p, ok2 := strings.Cut(shape, "x")
	clients, err := strconv.Atoi(c)
	pipeline, err2 := strconv.Atoi(p)
	known := kind == "set" || kind == "get" || kind == "mixed"
	if !ok || !ok2 || err != nil || err2 != nil || !known ||
		clients < 1 || clients > maxClients || pipeline < 1 || pipeline > maxPipeline {
		return cell{}, fmt.Errorf("cell %q: want KIND:CLIENTSxPIPELINE such as set:50x1", name)
	}
	return cell{kind, clients, pipeline}, nil
}

func (c cell) String() string {
	return fmt.Sprintf("%s %dx%d", strings.ToUpper(c.kind), c.clients, c.pipeline)
}

// readPct is how many of a hundred commands are reads.
func (c cell) readPct() uint64 {
	switch c.kind {
	case "get":
		return 100
	case "mixed":
		return mixedReadPct
	}
	return 0
}

// goals are the ratios (throughput of quorate divided by the peer's) that the
// project has set itself for three nodes on two cores.
var goals = map[string]map[string]float64{
	"SET 1x1":   {"redis-repl": 0.5, "etcd": 0.9},
	"SET 50x1":  {"redis-repl": 0.9, "etcd": 3.5},
	"SET 200x1": {"redis-repl": 1.0, "etcd": 3.5},
	"SET 50x16": {"redis-repl": 1.4},
	"SET 50x64": {"redis-repl": 2.5},
	"GET 50x1":  {"etcd": 5, "redis-mem": 0.5},
	"GET 50x16": {"redis-mem": 0.8},
	"GET 50x64": {"redis-mem": 1.0},
}
