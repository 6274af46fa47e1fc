package peer

import (
	"encoding/binary"
	"errors"
	"math"
	"reflect"
	"testing"
	"time"

	"github.com/hashicorp/raft"
	"pgregory.net/rapid"
)

// fill sets every exported field of the struct v points to from rapid's choices,
// so that a field added by a new version of the library is covered as well.
func fill(t *rapid.T, v reflect.Value) {
	switch v.Kind() {
	case reflect.Struct:
		if v.Type() == reflect.TypeFor[time.Time]() {
			if rapid.Bool().Draw(t, "zero time") {
				return
			}
			sec := rapid.Int64Range(-1<<40, 1<<40).Draw(t, "sec")
			v.Set(reflect.ValueOf(time.Unix(sec, rapid.Int64Range(0, 999_999_999).Draw(t, "nsec")).UTC()))
			return
		}
		for i := range v.NumField() {
			fill(t, v.Field(i))
		}
	case reflect.Slice:
		if v.Type().Elem().Kind() == reflect.Uint8 {
			b := rapid.SliceOfN(rapid.Byte(), 0, 300).Draw(t, "bytes")
			if len(b) > 0 { // empty arrives as nil
				v.SetBytes(b)
			}
			return
		}
		n := rapid.IntRange(0, 70).Draw(t, "entries")
		for range n {
			e := reflect.New(v.Type().Elem().Elem())
			fill(t, e.Elem())
			v.Set(reflect.Append(v, e))
		}
	case reflect.Bool:
		v.SetBool(rapid.Bool().Draw(t, "bool"))
	case reflect.Uint64, reflect.Uint8:
		v.SetUint(rapid.Uint64Max(math.MaxUint64>>(64-v.Type().Bits())).Draw(t, "uint"))
	case reflect.Int, reflect.Int64:
		if v.Type() == reflect.TypeFor[int64]() { // the snapshot's size
			v.SetInt(rapid.Int64Min(0).Draw(t, "size"))
			return
		}
		v.SetInt(rapid.Int64().Draw(t, "int"))
	default:
		t.Fatalf("no rule for %v", v.Type())
	}
}

func TestMessagesRoundTrip(t *testing.T) {
	requests := map[byte]reflect.Type{
		rpcRequestVote: reflect.TypeFor[raft.RequestVoteRequest](),
		rpcRequestPre:  reflect.TypeFor[raft.RequestPreVoteRequest](),
		rpcTimeoutNow:  reflect.TypeFor[raft.TimeoutNowRequest](),
		rpcSnapshot:    reflect.TypeFor[raft.InstallSnapshotRequest](),
	}
	for rpc, typ := range requests {
		rapid.Check(t, func(t *rapid.T) {
			want := reflect.New(typ)
			fill(t, want.Elem())
			got, _, err := decodeRequest(rpc, appendRequest(nil, want.Interface()), new(interner))
			if err != nil || !reflect.DeepEqual(got, want.Interface()) {
				t.Fatalf("%v\n got %+v\nwant %+v", err, got, want.Interface())
			}
		})
	}
	for _, typ := range []reflect.Type{
		reflect.TypeFor[raft.AppendEntriesResponse](), reflect.TypeFor[raft.RequestVoteResponse](),
		reflect.TypeFor[raft.RequestPreVoteResponse](), reflect.TypeFor[raft.TimeoutNowResponse](),
		reflect.TypeFor[raft.InstallSnapshotResponse](),
	} {
		rapid.Check(t, func(t *rapid.T) {
			want, got := reflect.New(typ), reflect.New(typ)
			fill(t, want.Elem())
			fill(t, got.Elem()) // what was there before must not shine through
			err := decodeResponse(got.Interface(), appendResponse(nil, want.Interface()), new(interner))
			if err != nil || !reflect.DeepEqual(got.Interface(), want.Interface()) {
				t.Fatalf("%v\n got %+v\nwant %+v", err, got.Interface(), want.Interface())
			}
		})
	}
}

func TestAppendEntriesRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var want, got raft.AppendEntriesRequest
		fill(t, reflect.ValueOf(&want).Elem())
		if n := len(want.Entries); n > 0 && rapid.Bool().Draw(t, "large") {
			want.Entries[n/2].Data = make([]byte, rapid.IntRange(directSize, 3*pieceSize).Draw(t, "size"))
			want.Entries[n/2].Data[0] = 1
		}
		q := request{kind: kindGroup, group: 7, rpc: rpcAppendEntries, append: &want}
		frame := q.encode(nil, 3)
		var joined []byte
		f := q.bulk()
		setFrameID(f.pieces[0], 3)
		for _, p := range f.pieces {
			if len(p) > pieceSize {
				t.Fatalf("piece of %d bytes", len(p))
			}
			joined = append(joined, p...)
		}
		if string(joined) != string(frame) || f.size != len(frame) {
			t.Fatal("the bulk form differs from the plain one")
		}
		if n := binary.BigEndian.Uint32(frame); int(n) != len(frame)-4 {
			t.Fatalf("length %d of frame of %d", n, len(frame))
		}
		if slack := q.bytes() + bulkSize - len(frame); slack < 0 {
			t.Fatalf("size underestimated by %d", -slack)
		}
		owned := rapid.Bool().Draw(t, "owned")
		body := frame[headerLen+2:]
		if err := decodeAppendEntries(&got, body, owned, new(interner)); err != nil {
			t.Fatal(err)
		}
		if !owned {
			clear(body)
		}
		if !reflect.DeepEqual(got, want) {
			t.Fatalf("\n got %+v\nwant %+v", got, want)
		}
	})
}

// TestClaimedCountAllocatesNothing: the count of entries is only believed as far
// as there are bytes for them.
func TestClaimedCountAllocatesNothing(t *testing.T) {
	b := appendAppendEntriesHead(nil, &raft.AppendEntriesRequest{Term: 1})
	b = binary.AppendUvarint(b[:len(b)-1], 1<<40)
	b = append(b, make([]byte, 100)...)
	var r raft.AppendEntriesRequest
	if err := decodeAppendEntries(&r, b, true, new(interner)); !errors.Is(err, ErrProtocol) {
		t.Fatal(err)
	}
}

func TestInternerAllocatesOnce(t *testing.T) {
	var in interner
	a, b := []byte("node"), []byte("addr")
	in.keep(a)
	in.keep(b)
	if n := testing.AllocsPerRun(100, func() { in.keep(a); in.keep(b) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func FuzzMessages(f *testing.F) {
	f.Add(byte(0), appendAppendEntriesHead(nil, &raft.AppendEntriesRequest{Term: 3, Leader: []byte("x")}))
	f.Add(byte(rpcRequestVote), appendRequest(nil, &raft.RequestVoteRequest{Term: 3}))
	f.Add(byte(rpcSnapshot), appendRequest(nil, &raft.InstallSnapshotRequest{Size: 9}))
	f.Fuzz(func(t *testing.T, rpc byte, b []byte) {
		var in interner
		var r raft.AppendEntriesRequest
		if err := decodeAppendEntries(&r, append([]byte(nil), b...), true, &in); err == nil {
			q := request{kind: kindGroup, rpc: rpcAppendEntries, append: &r}
			var again raft.AppendEntriesRequest
			if err := decodeAppendEntries(&again, q.encode(nil, 0)[headerLen+2:], false, &in); err != nil {
				t.Fatal(err)
			}
			if !reflect.DeepEqual(r, again) {
				t.Fatalf("%+v became %+v", r, again)
			}
		}
		if msg, _, err := decodeRequest(rpc, b, &in); err == nil {
			again, _, err := decodeRequest(rpc, appendRequest(nil, msg), &in)
			if err != nil || !reflect.DeepEqual(msg, again) {
				t.Fatalf("%+v became %+v, %v", msg, again, err)
			}
		}
		for _, resp := range []any{
			new(raft.AppendEntriesResponse), new(raft.RequestVoteResponse), new(raft.RequestPreVoteResponse),
			new(raft.TimeoutNowResponse), new(raft.InstallSnapshotResponse),
		} {
			if decodeResponse(resp, b, &in) == nil {
				appendResponse(nil, resp)
			}
		}
		_ = decodeErrorBody(b)
	})
}
