package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"strconv"
)

// keyPool is a set of keys, each already encoded as a bulk string. Read-only
// once made; shared by the clients of one node.
type keyPool struct {
	bulks [][]byte
}

// keyName is the name of key i of the key space: 16 bytes, as redis-benchmark's.
func keyName(i int) string { return fmt.Sprintf("key:%012d", i) }

// poolKeys is how many keys of the whole key space the pools are made of;
// -memory raises it.
var poolKeys = keyspace

func newKeyPool(mine func(key string) bool) *keyPool {
	p := &keyPool{}
	for i := range poolKeys {
		if k := keyName(i); mine(k) {
			p.bulks = append(p.bulks, appendBulk(nil, k))
		}
	}
	return p
}

func appendBulk(dst []byte, s string) []byte {
	dst = append(dst, '$')
	dst = strconv.AppendInt(dst, int64(len(s)), 10)
	dst = append(dst, '\r', '\n')
	dst = append(dst, s...)
	return append(dst, '\r', '\n')
}

// value is what every write stores: printable noise that does not compress.
var value = func() string {
	r := rand.New(rand.NewPCG(1, 2))
	b := make([]byte, valueBytes)
	for i := range b {
		b[i] = byte(33 + r.IntN(94))
	}
	return string(b)
}()

var (
	setHead  = []byte("*3\r\n$3\r\nSET\r\n")
	getHead  = []byte("*2\r\n$3\r\nGET\r\n")
	waitLine = []byte("*3\r\n$4\r\nWAIT\r\n$1\r\n1\r\n$1\r\n0\r\n")
	valBulk  = appendBulk(nil, value)
)

// respClient is a connection that keeps nothing of a reply but its kind.
type respClient struct {
	conn    net.Conn
	br      *bufio.Reader
	out     []byte
	pool    *keyPool
	wait    bool
	failure string
}

func dialRESP(ctx context.Context, addr string, pool *keyPool, wait bool) (client, error) {
	d := net.Dialer{Timeout: dialTimeout}
	conn, err := d.DialContext(ctx, "tcp", addr)
	if err != nil {
		return nil, err
	}
	return &respClient{conn: conn, br: bufio.NewReaderSize(conn, 16<<10), pool: pool, wait: wait}, nil
}

func (c *respClient) Keys() int       { return len(c.pool.bulks) }
func (c *respClient) Failure() string { return c.failure }
func (c *respClient) Close() error    { return c.conn.Close() }

func (c *respClient) Do(batch []op) (failed int, err error) {
	c.out = c.out[:0]
	writes := false
	for _, o := range batch {
		if o.write {
			writes = true
			c.out = append(append(append(c.out, setHead...), c.pool.bulks[o.key]...), valBulk...)
		} else {
			c.out = append(append(c.out, getHead...), c.pool.bulks[o.key]...)
		}
	}
	replies := len(batch)
	if wait := c.wait && writes; wait {
		c.out = append(c.out, waitLine...)
		replies++
	}
	if _, err := c.conn.Write(c.out); err != nil {
		return 0, err
	}
	for range replies {
		ok, err := c.skipReply()
		if err != nil {
			return failed, err
		}
		if !ok {
			failed++
		}
	}
	return min(failed, len(batch)), nil
}

// skipReply reads one reply. Not ok are errors, missing values, and ":0", which
// only WAIT can answer here: no replica has the write.
func (c *respClient) skipReply() (ok bool, err error) {
	line, err := c.br.ReadSlice('\n')
	if err != nil {
		return false, err
	}
	if len(line) < 3 {
		return false, fmt.Errorf("malformed reply %q", line)
	}
	switch line[0] {
	case '+':
		return true, nil
	case '$':
		n := 0
		for _, b := range line[1 : len(line)-2] {
			if b < '0' || b > '9' {
				break
			}
			n = n*10 + int(b-'0')
		}
		if line[1] != '-' {
			_, err := c.br.Discard(n + 2)
			return true, err
		}
	case ':':
		if line[1] != '0' {
			return true, nil
		}
	case '-':
	default:
		return false, errors.New("unexpected reply " + strconv.Quote(string(line)))
	}
	if c.failure == "" {
		c.failure = string(line[:len(line)-2])
	}
	return false, nil
}
