package main

import (
	"bytes"
	"context"
	"io"
	"math/rand"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/quorate/quorate/test/wire"
)

func TestHashSlot(t *testing.T) {
	// From the cluster specification, and from CLUSTER KEYSLOT of Redis 7.0.15.
	for key, want := range map[string]int{"123456789": 12739, "foo": 12182, "": 0} {
		if got := hashSlot(key); got != want {
			t.Errorf("hashSlot(%q) = %d, want %d", key, got, want)
		}
	}
}

func TestHistogramQuantiles(t *testing.T) {
	r := rand.New(rand.NewSource(1))
	var h histogram
	var all []time.Duration
	for range 20_000 {
		d := time.Duration(r.ExpFloat64() * float64(time.Millisecond))
		h.record(d)
		all = append(all, d)
	}
	slices.Sort(all)
	for _, q := range []float64{0.01, 0.5, 0.9, 0.99, 0.999} {
		got, want := h.quantile(q).Seconds(), all[int(q*float64(len(all)))].Seconds()
		if got < want*0.96 || got > want*1.04 {
			t.Errorf("quantile(%v) = %v, want about %v", q, got, want)
		}
	}
	h.record(1<<63 - 1)
	h.record(-1)
	for v := uint64(1); v < 1<<62; v += v/4 + 1 {
		if m := bucketMiddle(bucketOf(v)); m > v+v/32+1 || m+v/32+1 < v {
			t.Fatalf("bucket of %d has middle %d", v, m)
		}
	}
}

func TestSlotOwners(t *testing.T) {
	entry := func(from, to, port string) string {
		return "*3\r\n:" + from + "\r\n:" + to + "\r\n*3\r\n$9\r\n127.0.0.1\r\n:" + port + "\r\n$2\r\nid\r\n"
	}
	parse := func(raw string) ([slotCount]string, error) {
		r, err := wire.Parse([]byte(raw))
		if err != nil {
			t.Fatal(err)
		}
		return slotOwners(r)
	}
	owner, err := parse("*2\r\n" + entry("0", "8191", "7001") + entry("8192", "16383", "7002"))
	if err != nil || owner[8191] != "127.0.0.1:7001" || owner[8192] != "127.0.0.1:7002" {
		t.Fatalf("owners %q %q, %v", owner[8191], owner[8192], err)
	}
	for _, bad := range []string{"*1\r\n" + entry("0", "8191", "7001"), "*1\r\n" + entry("0", "16384", "7001"),
		"*1\r\n" + entry("-1", "16383", "7001"), "*1\r\n:1\r\n"} {
		if _, err := parse(bad); err == nil {
			t.Errorf("slotOwners(%q) found nothing wrong", bad)
		}
	}
}

func TestProtoField(t *testing.T) {
	msg := appendProtoBytes([]byte{0x08, 0x96, 0x01}, 2, "abc")
	if _, v := protoField(msg, 1); v != 150 {
		t.Errorf("field 1 = %d", v)
	}
	if b, _ := protoField(msg, 2); string(b) != "abc" {
		t.Errorf("field 2 = %q", b)
	}
	for n := range msg { // cut anywhere: absent, never a panic
		protoField(msg[:n], 9)
	}
}

func TestMedianAndGoals(t *testing.T) {
	if got := median([]float64{3, 1, 2}); got != 2 {
		t.Errorf("median of three: %v", got)
	}
	if got := median([]float64{4, 1}); got != 2.5 {
		t.Errorf("median of two: %v", got)
	}
	if got := goalText("SET 50x1", "etcd", 3.4); got != ">= 3.5 MISSED" {
		t.Errorf("goal text %q", got)
	}
	for name := range goals {
		kind, shape, _ := strings.Cut(strings.ToLower(name), " ")
		if c, err := parseCell(kind + ":" + shape); err != nil || c.String() != name {
			t.Errorf("goal for %q, which is no cell: %v", name, err)
		}
	}
}

func TestBadFlagsAreRefused(t *testing.T) {
	for _, args := range [][]string{{"-cells", "set:50"}, {"-cells", "del:1x1"}, {"-cells", "set:0x1"}, {"-targets", "oracle"},
		{"-rounds", "0"}, {"-seconds", "-1"}, {"extra"}} {
		if _, err := parseFlags(args, io.Discard); err == nil {
			t.Errorf("flags %q accepted", args)
		}
	}
}

// TestShortRun measures every peer that is on the machine and expects figures
// without failures, and an empty directory afterwards.
func TestShortRun(t *testing.T) {
	var targets []string
	if _, err := exec.LookPath("redis-server"); err == nil {
		targets = append(targets, "redis-repl", "redis-mem")
	}
	if _, err := exec.LookPath("etcd"); err == nil {
		targets = append(targets, "etcd")
	}
	if len(targets) == 0 {
		t.Skip("neither redis-server nor etcd is installed")
	}
	old := poolKeys
	poolKeys = 500
	defer func() { poolKeys = old }()
	o, err := parseFlags([]string{"-cells", "set:2x1,mixed:2x1", "-seconds", "0.2", "-rounds", "1", "-dir", t.TempDir(),
		"-targets", strings.Join(targets, ",")}, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	results, err := measure(context.Background(), o, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range results {
		if len(r.Rounds) != 1 || r.Median.OpsPerSecond <= 0 || r.Median.P99Ms < r.Median.P50Ms || r.Median.Failed != 0 {
			t.Errorf("%s on %s: %+v", r.Cell, r.Target, r.Median)
		}
	}
	var out bytes.Buffer
	printTables(&out, o, results)
	if !strings.Contains(out.String(), "MIXED 2x1") {
		t.Errorf("tables:\n%s", out.String())
	}
	if left, err := os.ReadDir(o.dir); err != nil || len(left) != 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

// TestEtcdClientSeesMissingKeysAndValues checks that the hand-made gRPC client
// reads what it wrote, and tells a missing key from a present one.
func TestEtcdClientSeesMissingKeysAndValues(t *testing.T) {
	if _, err := exec.LookPath("etcd"); err != nil {
		t.Skip("etcd is not installed")
	}
	tg, err := newTarget("etcd", t.TempDir(), 0)
	if err != nil {
		t.Fatal(err)
	}
	ctx := context.Background()
	if err := tg.Start(ctx); err != nil {
		t.Fatal(err)
	}
	defer tg.Stop()
	c, err := tg.Dial(ctx, 1)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if failed, err := c.Do([]op{{key: 7}}); failed != 1 || err != nil {
		t.Errorf("read of a missing key: failed %d, %v", failed, err)
	}
	if failed, err := c.Do([]op{{write: true, key: 7}, {key: 7}}); failed != 0 || err != nil {
		t.Errorf("write and read: failed %d, %v", failed, err)
	}
	e := c.(*etcdClient)
	reply, err := e.grpc.call(methodRange, appendProtoBytes(nil, 1, keyName(7)))
	if err != nil {
		t.Fatal(err)
	}
	kv, _ := protoField(reply, 2)
	if v, _ := protoField(kv, 5); string(v) != value {
		t.Errorf("value %q", v)
	}
	if _, err := e.grpc.call(methodPut, []byte{0xff}); err != errRPC {
		t.Errorf("malformed request: %v, want errRPC", err)
	}
}

func TestFamiliesWanted(t *testing.T) {
	c := familyCase{"string", nil, "SET s:{k} {v}"}
	for words, want := range map[string]bool{"": true, "string": true, "DUMP|SET s": true, "DUMP|list": false} {
		if c.wanted(words) != want {
			t.Errorf("%q: want %v", words, want)
		}
	}
}

func TestFamilyMedians(t *testing.T) {
	r := familyResult{{rate: 3, cpu: 1}, {rate: 1, cpu: 2}, {rate: 2, cpu: 3}}
	if r.rate() != 2 || r.cpu() != 2 || (familyResult{}).rate() != 0 {
		t.Errorf("rate %v, CPU %v", r.rate(), r.cpu())
	}
}
