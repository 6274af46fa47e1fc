package main

import (
	"context"
	"fmt"
	"net"
	"slices"
	"strconv"
	"time"

	"github.com/quorate/quorate/test/wire"
)

// quorateTarget is a cluster in which every client talks to one node, and only
// about keys in the slots that this node leads, as a cluster-aware client does.
type quorateTarget struct {
	clustered
	addrs []string   // owners of slots, sorted
	pools []*keyPool // keys of the owner at the same index
	slots string     // the CLUSTER SLOTS reply that addrs and pools come from
}

func (t *quorateTarget) Shards() int      { return len(t.addrs) }
func (t *quorateTarget) MaxPipeline() int { return maxPipeline }

func (t *quorateTarget) Dial(ctx context.Context, i int) (client, error) {
	if err := t.discover(ctx); err != nil {
		return nil, err
	}
	k := i % len(t.addrs)
	return dialRESP(ctx, t.addrs[k], t.pools[k], false)
}

// settleTime is how long to wait for every node to lead a group: a node that
// comes up last gets its own back a moment after the slots are served.
const settleTime = 10 * time.Second

// discover asks node 0 who owns which slot, and sorts the keys by owner. Asked
// again for every client, because leadership may have moved between two cells.
func (t *quorateTarget) discover(ctx context.Context) error {
	for deadline := time.Now().Add(settleTime); ; time.Sleep(50 * time.Millisecond) {
		err := t.look(ctx)
		if err != nil || len(t.addrs) == t.cluster.Len() || time.Now().After(deadline) {
			return err
		}
	}
}

func (t *quorateTarget) look(ctx context.Context) error {
	r, err := wire.Once(ctx, t.cluster.Addr(0), dialTimeout, "CLUSTER", "SLOTS")
	if err != nil {
		return err
	}
	if string(r.Raw) == t.slots {
		return nil
	}
	owner, err := slotOwners(r)
	if err != nil {
		return err
	}
	addrs := slices.Clone(owner[:])
	slices.Sort(addrs)
	addrs = slices.Compact(addrs)
	pools := make([]*keyPool, len(addrs))
	for k, addr := range addrs {
		pools[k] = newKeyPool(func(key string) bool { return owner[hashSlot(key)] == addr })
	}
	t.addrs, t.pools, t.slots = addrs, pools, string(r.Raw)
	return nil
}

const slotCount = 16384

// slotOwners returns the address that owns each slot. Source: Redis 7.0 docs
// for CLUSTER SLOTS: start, end, primary as (ip, port, ...), replicas.
func slotOwners(r wire.Reply) ([slotCount]string, error) {
	var owner [slotCount]string
	for _, e := range r.Elems {
		if len(e.Elems) < 3 || len(e.Elems[2].Elems) < 2 {
			return owner, fmt.Errorf("CLUSTER SLOTS: unexpected entry %q", e.Raw)
		}
		first, ok := e.Elems[0].Int()
		last, ok2 := e.Elems[1].Int()
		port, ok3 := e.Elems[2].Elems[1].Int()
		if !ok || !ok2 || !ok3 || first < 0 || last >= slotCount {
			return owner, fmt.Errorf("CLUSTER SLOTS: unexpected entry %q", e.Raw)
		}
		addr := net.JoinHostPort(string(e.Elems[2].Elems[0].Str), strconv.FormatInt(port, 10))
		for s := first; s <= last; s++ {
			owner[s] = addr
		}
	}
	if i := slices.Index(owner[:], ""); i >= 0 {
		return owner, fmt.Errorf("CLUSTER SLOTS: slot %d has no owner", i)
	}
	return owner, nil
}

// hashSlot is the slot of a key without a hash tag: CRC16 (XMODEM: polynomial
// 0x1021, initial value 0) modulo 16384. Source: Redis Cluster specification.
// Bitwise, because it only runs while pools are made.
func hashSlot(key string) int {
	var crc uint16
	for i := range len(key) {
		crc ^= uint16(key[i]) << 8
		for range 8 {
			if crc&0x8000 != 0 {
				crc = crc<<1 ^ 0x1021
			} else {
				crc <<= 1
			}
		}
	}
	return int(crc) % slotCount
}
