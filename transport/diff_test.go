package transport

import (
	"net"
	"os/exec"
	"regexp"
	"strings"
	"testing"

	"github.com/quorate/quorate/fsm"
)

// startRedis runs redis-server on a free port, or skips the test.
func startRedis(t *testing.T, args ...string) string {
	t.Helper()
	path, err := exec.LookPath("redis-server")
	if err != nil {
		t.Skip("redis-server is not installed: no oracle to compare with")
	}
	port := freePort(t)
	cmd := exec.Command(path, append([]string{"--port", port, "--save", "", "--dir", t.TempDir(), "--daemonize", "no"}, args...)...)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
	})
	addr := "127.0.0.1:" + port
	eventually(t, "redis-server", func() bool {
		c, err := net.Dial("tcp", addr)
		if err == nil {
			c.Close()
		}
		return err == nil
	})
	return addr
}

func freePort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, port, err := net.SplitHostPort(l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	return port
}

// diffInputs are whole conversations; both servers must answer them with the
// same bytes.
var diffInputs = []string{
	"ping\r\nping hello\r\nping a b\r\necho x\r\n",
	"PING\r\n", "\r\n\r\nping\r\n", "  \r\nping\r\n", "*0\r\nping\r\n", "*-1\r\nping\r\n", "*-99999\r\nping\r\n",
	"*1\r\n$4\r\nPING\r\n", "*1\rX$4\rXPINGxx", "*1\r\n$4\r\nPINGxx*1\r\n$4\r\nPING\r\n",
	"*2\r\n$4\r\nECHO\r\n$0\r\n\r\n", "*2\r\n$4\r\nECHO\r\n$3\r\na\r\n\r\n",
	"*1\r\nPING\r\n", "ping\r\n*x\r\nping\r\n", "*2147483648\r\n", "*1\r\n$-1\r\n", "*1\r\n$x\r\n", "*1\r\n$536870913\r\n",
	"*01\r\n$4\r\nPING\r\n", "*+1\r\n$4\r\nPING\r\n", "*1\r\n$04\r\nPING\r\n", "*\r\nping\r\n", "*1\r\n$\r\n", "*1\r\n\r\n", "*1 \r\n",
	"*1\r\n$ 4\r\nPING\r\n", "*99999999999999999999999\r\n", "*-0\r\n",
	"echo \"a b\"\r\n", "echo 'a\\'b'\r\n", "echo \"\\x41\\n\\t\\\\\\\"z\"\r\n", "echo \"a\"b\r\n", "echo \"a\r\n", "echo 'a\r\n", "echo a\"b c\"\r\n",
	"echo \"\"\r\n", "echo ''\r\n", "'ping'\r\n", "echo \"\\xzz\"\r\n", "echo \"\\q\"\r\n", "echo a\tb\r\n", "echo\va\r\n", "echo a\n", "ping\n\nping\n",
	"foo\r\n", "foo a b c\r\n", "foo \"a\\nb\" c\r\n", "'fo\\'o' x\r\n", "\"\" x\r\n",
	"foo " + strings.Repeat("x", 200) + " y\r\n", "foo " + strings.Repeat("ab ", 60) + "\r\n", strings.Repeat("f", 300) + " a\r\n",
	"get\r\nget a b\r\nset a\r\nclient\r\nclient foo\r\nclient kill\r\nclient id x\r\ncommand foo\r\n", "config|get a\r\n",
	"*2\r\n$3\r\nfoo\r\n$5\r\na\x00b\x00c\r\n", "*1\r\n$5\r\nf\x00ooo\r\n", "ping\r\nPOST / HTTP/1.1\r\nping\r\n", "host: x\r\nping\r\n",
	"quit\r\nping\r\n", "quit x\r\n", "reset\r\n", "reset x\r\n", "multi\r\nreset\r\nexec\r\n",
	"select 1\r\nselect 16\r\nselect -1\r\nselect x\r\nselect 01\r\nselect 99999999999\r\nselect 99999999999999999999\r\n",
	"set k v\r\nselect 3\r\nget k\r\nset k w\r\nselect 0\r\nget k\r\nselect 3\r\nget k\r\n",
	"hello 4\r\nhello x\r\nhello 1\r\nhello 2 foo\r\nhello 2 setname\r\nhello 2 auth a\r\nhello 2 setname \"a b\"\r\nhello 2 auth foo bar\r\n",
	"hello 3\r\nget nokey\r\nping\r\nclient getname\r\nhello 2\r\nget nokey\r\n", "hello 3 setname joe\r\nclient getname\r\n", "hello\r\n",
	"hello 3 auth default x setname joe\r\n",
	"auth x\r\nauth default x\r\nauth foo x\r\nauth a b c\r\nauth\r\n",
	"client setname \"a b\"\r\nclient setname a\r\nclient getname\r\nclient setname \"\"\r\nclient getname\r\n",
	"client reply foo\r\nclient reply off\r\nping\r\nset a b\r\nget a\r\nclient reply on\r\nget a\r\n",
	"client reply skip\r\nping\r\nping\r\n", "client reply skip\r\nset a 1\r\nget a\r\nclient reply skip\r\nclient reply skip\r\nping\r\nget a\r\n",
	"client reply off\r\nclient reply skip\r\nping\r\nping\r\nclient reply on\r\n",
	"client kill foo\r\nclient kill 1.2.3.4:1\r\nclient kill id\r\nclient kill id abc\r\nclient kill id 0\r\nclient kill id 999999 type foo\r\nclient kill user nouser\r\nclient kill skipme maybe\r\nclient kill addr 1.2.3.4:1\r\nclient kill maxage 1\r\nclient kill foo bar\r\nclient kill id 5 foo\r\n",
	"client kill type pubsub\r\nclient kill type slave\r\nclient kill user default laddr 1.1.1.1:1\r\n",
	"client kill type normal skipme no\r\nping\r\n",
	"client list type foo\r\nclient list type master\r\nclient list id\r\nclient list id abc\r\nclient list id 0\r\nclient list foo\r\n",
	"client no-evict foo\r\nclient no-evict on\r\nclient no-evict off\r\n",
	"readonly\r\nreadwrite\r\nasking\r\n",
	"exec\r\ndiscard\r\nexec foo\r\nmulti x\r\n", "multi\r\nexec\r\n", "multi\r\nmulti\r\nexec\r\n", "multi\r\ndiscard\r\nexec\r\n",
	"multi\r\nset a 1\r\nget a\r\nexec\r\nget a\r\n", "multi\r\nset a\r\nexec\r\nexec\r\n", "multi\r\nfoo\r\nset a b\r\nexec\r\nget a\r\n",
	"multi\r\nclient foo\r\nexec\r\n", "multi\r\nexec foo\r\nexec\r\n", "multi\r\nwatch a\r\nset z 1\r\nexec\r\n",
	"multi\r\nselect 1\r\nset k one\r\nget k\r\nselect 0\r\nget k\r\nselect 1\r\nexec\r\nget k\r\nselect 0\r\nget k\r\n",
	"multi\r\nselect 1\r\ndiscard\r\nset only0 x\r\nselect 0\r\nget only0\r\n",
	"multi\r\nselect 99\r\nset j x\r\nexec\r\nget j\r\n",
	"multi\r\nping\r\necho x\r\nclient setname joe\r\nclient getname\r\nget a\r\nping\r\nexec\r\nclient getname\r\n",
	"multi\r\nping\r\nclient getname\r\nexec\r\nmulti\r\nquit\r\n",
	"watch a\r\nset a 1\r\nmulti\r\nset a 2\r\nexec\r\nget a\r\nmulti\r\nset a 3\r\nexec\r\nget a\r\n",
	"watch a b\r\nunwatch\r\nset a 1\r\nmulti\r\nset a 2\r\nexec\r\n", "watch a\r\nset a 1\r\nmulti\r\nexec\r\n", "watch a\r\nset a 1\r\nmulti\r\nget a\r\nexec\r\n",
	"watch a\r\nset a 1\r\nmulti\r\nping\r\nclient setname bad\r\nexec\r\nclient getname\r\n", "watch a\r\nmulti\r\nping\r\nclient setname good\r\nset a 5\r\nexec\r\nclient getname\r\n",
	"watch a\r\nset a 1\r\nmulti\r\nset a\r\nexec\r\n", "watch a\r\nset a 1\r\nmulti\r\ndiscard\r\nmulti\r\nset a 9\r\nexec\r\n", "watch a\r\nset a 1\r\nreset\r\nmulti\r\nset a 9\r\nexec\r\n",
	"hello 3\r\nwatch a\r\nset a 1\r\nmulti\r\nset a 2\r\nexec\r\n",
	"select 2\r\nwatch a\r\nselect 0\r\nset a 1\r\nmulti\r\nget a\r\nexec\r\n",
	"watch\r\nunwatch x\r\n",
	"multi\r\nclient reply off\r\nexec\r\nping\r\nclient reply on\r\nping\r\n",
	"command count x\r\ncommand getkeys get\r\ncommand getkeys foo a\r\ncommand getkeys get a b\r\ncommand getkeys get a\r\ncommand getkeys echo a\r\ncommand getkeys watch a b c\r\ncommand getkeysandflags set a b\r\ncommand getkeysandflags get a\r\ncommand getkeysandflags foo a\r\n",
	"command list foo\r\ncommand list filterby foo bar\r\ncommand list filterby module x\r\ncommand list filterby aclcat nope\r\ncommand list filterby pattern ech?\r\ncommand list filterby pattern e[c]h[a-z]\r\ncommand list filterby\r\n",
	"command getkeysandflags bitfield k get u8\r\ncommand getkeysandflags bitfield k get u8 0\r\ncommand getkeysandflags bitfield k overflow sat\r\ncommand getkeysandflags bitfield k overflow\r\ncommand getkeysandflags bitfield k set u8 0 1\r\ncommand getkeysandflags bitfield k get u8 0 set\r\ncommand getkeysandflags bitfield k\r\ncommand getkeysandflags bitfield k get u8 0 overflow wrap get i8 1\r\ncommand getkeysandflags bitfield k get overflow sat get u8 0\r\n",
	"command getkeys eval x 3 a\r\ncommand getkeys eval x y a\r\ncommand getkeys eval x 0\r\ncommand getkeysandflags fcall x 2 a\r\ncommand getkeys lmpop 3 a left\r\ncommand getkeys zunionstore a 4 b\r\ncommand getkeys zunionstore a 0 b\r\ncommand getkeys sintercard 0 b\r\ncommand getkeysandflags zunionstore a 0 b\r\n",
	"command info nope client|nope\r\ncommand info get ping select exec watch multi discard unwatch hello auth quit reset echo time readonly asking readwrite\r\n",
	"command info client|id client|list client|kill client|setname client|reply client|no-evict client|info client|help command|count command|info command|docs command|getkeys command|list\r\n",
	"hello 3\r\ncommand info get exec client|list\r\ncommand info nope\r\n", "command docs nope\r\nhello 3\r\ncommand docs nope\r\n",
	"set a 1\r\nget a\r\nping\r\nget a\r\nfoo\r\nget\r\nset b 2\r\necho hi\r\nget b\r\n",
}

// volatile are the parts that can't agree.
var volatile = regexp.MustCompile(`(\$2\r\nid\r\n):\d+`)

func TestSameAsRedis(t *testing.T) {
	redis := startRedis(t)
	for i, input := range diffInputs {
		g := newFakeGroup(fsm.Options{})
		_, addr := startServer(t, Options{Router: plainRouter{g}})
		if out := everything(t, redis, "flushall\r\n"); out != "+OK\r\n" {
			t.Fatalf("flushall: %q", out)
		}
		want := volatile.ReplaceAllString(everything(t, redis, input), "$1:N")
		got := volatile.ReplaceAllString(everything(t, addr, input), "$1:N")
		if got != want {
			t.Errorf("conversation %d %.200q\n got %.1500q\nwant %.1500q", i, input, got, want)
		}
	}
}

// clusterInputs are conversations with one node that serves all slots; a, b and
// c are in different ones.
var clusterInputs = []string{
	"select 0\r\nselect 1\r\nselect x\r\nasking\r\nreadonly\r\nreadwrite\r\nhello\r\n",
	"set a 1\r\nget a\r\nget b\r\nset {a}b 2\r\nget {a}b\r\n",
	"watch a b\r\nwatch {x}a {x}b\r\nwatch a\r\nmulti\r\nget a\r\nexec\r\n",
	"multi\r\nset a 1\r\nset b 2\r\nexec\r\nget a\r\nexec\r\n", "multi\r\nset {t}a 1\r\nset {t}b 2\r\nping\r\nget {t}a\r\nexec\r\n",
	"multi\r\nset a 1\r\nfoo\r\nset b 2\r\nexec\r\n", "multi\r\nset a 1\r\nset b 2\r\ndiscard\r\nset a 3\r\n", "multi\r\nselect 1\r\nget a\r\nexec\r\n",
	"watch a\r\nset a 1\r\nmulti\r\nset {a}b 2\r\nset a 2\r\nexec\r\nget a\r\n", "multi\r\nexec\r\n",
	"multi\r\nset a 1\r\nset b 2\r\nfoo\r\nexec\r\n",
}

func TestSameAsRedisCluster(t *testing.T) {
	redis := startRedis(t, "--cluster-enabled", "yes", "--cluster-port", freePort(t))
	if out := everything(t, redis, "cluster addslotsrange 0 16383\r\n"); out != "+OK\r\n" {
		t.Fatal(out)
	}
	eventually(t, "the cluster is up", func() bool {
		return strings.Contains(everything(t, redis, "cluster info\r\n"), "cluster_state:ok")
	})
	for i, input := range clusterInputs {
		_, addr := startServer(t, Options{Router: &slotRouter{groups: []Group{newFakeGroup(fsm.Options{})}}})
		everything(t, redis, "flushall\r\n")
		want := volatile.ReplaceAllString(everything(t, redis, input), "$1:N")
		got := volatile.ReplaceAllString(everything(t, addr, input), "$1:N")
		if got != want {
			t.Errorf("conversation %d %.200q\n got %.1500q\nwant %.1500q", i, input, got, want)
		}
	}
}
