package main

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"os/exec"
	"strconv"
	"strings"

	"github.com/quorate/quorate/test/harness"
)

// etcdTarget is an etcd cluster, spoken to in gRPC. Clients spread over all
// members, as etcd's own balancer spreads them, or all use the leader.
type etcdTarget struct {
	clustered
	leaderOnly bool
	leader     string
	keys       []string
}

func (t *etcdTarget) Shards() int { return 1 }

// MaxPipeline is 1: the etcd API has no pipelines.
func (t *etcdTarget) MaxPipeline() int { return 1 }

func (t *etcdTarget) Dial(ctx context.Context, i int) (client, error) {
	if t.keys == nil {
		for i := range poolKeys {
			t.keys = append(t.keys, keyName(i))
		}
	}
	addr := t.cluster.Addr(i % t.cluster.Len())
	if t.leaderOnly {
		var err error
		if addr, err = t.findLeader(ctx); err != nil {
			return nil, err
		}
	}
	g, err := dialGRPC(ctx, addr)
	if err != nil {
		return nil, err
	}
	return &etcdClient{grpc: g, keys: t.keys}, nil
}

// findLeader asks each member for its status: the leader's id is its own.
func (t *etcdTarget) findLeader(ctx context.Context) (string, error) {
	for _, addr := range t.cluster.Addrs() {
		g, err := dialGRPC(ctx, addr)
		if err != nil {
			return "", err
		}
		reply, err := g.call(methodStatus, nil)
		g.Close()
		if err != nil {
			return "", err
		}
		// StatusResponse: header = 1 (member_id = 2), leader = 4.
		header, _ := protoField(reply, 1)
		_, self := protoField(header, 2)
		if _, leader := protoField(reply, 4); leader == self {
			return addr, nil
		}
	}
	return "", errors.New("no member says that it leads")
}

// etcdKind starts etcd as Debian packages it.
type etcdKind struct{}

func (etcdKind) Binary() (string, error) { return exec.LookPath("etcd") }

func (etcdKind) Args(ports []int, i int, dir string) []string {
	name := func(i int) string { return "n" + strconv.Itoa(i) }
	peer := func(i int) string { return "http://" + harness.Addr(ports[i]+harness.PeerPortOffset) }
	var initial []string
	for k := range ports {
		initial = append(initial, name(k)+"="+peer(k))
	}
	url := "http://" + harness.Addr(ports[i])
	return []string{"--name", name(i), "--data-dir", dir, "--logger", "zap", "--log-level", "warn",
		"--listen-client-urls", url, "--advertise-client-urls", url,
		"--listen-peer-urls", peer(i), "--initial-advertise-peer-urls", peer(i),
		"--initial-cluster", strings.Join(initial, ","), "--initial-cluster-state", "new"}
}

// Alive is a connection: etcd opens its client port once it has a quorum, so
// nothing more can be asked of a single member.
func (etcdKind) Alive(ctx context.Context, addr string) error {
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", addr)
	if err != nil {
		return err
	}
	return conn.Close()
}

func (etcdKind) Form(context.Context, *harness.Cluster) error { return nil }

// Ready is a linearizable read.
func (etcdKind) Ready(ctx context.Context, addr string) error {
	g, err := dialGRPC(ctx, addr)
	if err != nil {
		return err
	}
	defer g.Close()
	_, err = g.call(methodRange, appendProtoBytes(nil, 1, "ready"))
	return err
}

// etcdClient encodes the two requests by hand. Source: etcd's rpc.proto:
// PutRequest key = 1, value = 2; RangeRequest key = 1, linearizable unless
// serializable = 7 is set; RangeResponse kvs = 2.
type etcdClient struct {
	grpc    *grpcConn
	keys    []string
	message []byte
	failure string
}

func (c *etcdClient) Keys() int       { return len(c.keys) }
func (c *etcdClient) Failure() string { return c.failure }
func (c *etcdClient) Close() error    { return c.grpc.Close() }

func (c *etcdClient) Do(batch []op) (failed int, err error) {
	for _, o := range batch {
		c.message = appendProtoBytes(c.message[:0], 1, c.keys[o.key])
		method := methodRange
		if o.write {
			method = methodPut
			c.message = appendProtoBytes(c.message, 2, value)
		}
		reply, err := c.grpc.call(method, c.message)
		missing := false
		if err == nil && !o.write {
			kv, _ := protoField(reply, 2)
			missing = kv == nil
		}
		switch {
		case errors.Is(err, errRPC):
			failed++
			c.fail(err.Error())
		case err != nil:
			return failed, err
		case missing:
			failed++
			c.fail("no such key")
		}
	}
	return failed, nil
}

func (c *etcdClient) fail(text string) {
	if c.failure == "" {
		c.failure = text
	}
}

// appendProtoBytes appends a length-delimited protobuf field.
func appendProtoBytes(dst []byte, field byte, s string) []byte {
	dst = append(dst, field<<3|2)
	dst = binary.AppendUvarint(dst, uint64(len(s)))
	return append(dst, s...)
}

// protoField returns the first field of that number: the bytes of a
// length-delimited one, or the number of a varint. Absent or malformed: nil, 0.
func protoField(msg []byte, field uint64) ([]byte, uint64) {
	for len(msg) > 0 {
		tag, n := binary.Uvarint(msg)
		if n <= 0 {
			return nil, 0
		}
		msg = msg[n:]
		v, n := binary.Uvarint(msg)
		if n <= 0 {
			return nil, 0
		}
		msg = msg[n:]
		switch tag & 7 {
		case 0:
			if tag>>3 == field {
				return nil, v
			}
		case 2:
			if v > uint64(len(msg)) {
				return nil, 0
			}
			if tag>>3 == field {
				return msg[:v:v], 0
			}
			msg = msg[v:]
		default:
			return nil, 0 // etcd's replies have no fixed-width fields
		}
	}
	return nil, 0
}

var errRPC = fmt.Errorf("the call was refused")
