// Quorate is a strongly consistent store that speaks the Redis protocol. This
// file builds a process bottom-up, runs it, and closes it top-down.
package main

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/quorate/quorate/admin"
	"github.com/quorate/quorate/config"
	"github.com/quorate/quorate/fsm"
	"github.com/quorate/quorate/metrics"
	"github.com/quorate/quorate/node"
	"github.com/quorate/quorate/security"
	"github.com/quorate/quorate/tool"
	"github.com/quorate/quorate/transport"
)

// version of this program.
const version = "0.1.0"

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	var err error
	if t, ok := theTool(os.Args); ok {
		err = t.Run(ctx, os.Args[2:], os.Stdout, os.Stderr)
	} else {
		err = run(ctx, stop, os.Args[1:], os.Stdin, os.Stdout)
	}
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// theTool returns the tool that the first argument names: such a word isn't taken
// for the path of a configuration file.
func theTool(args []string) (tool.Command, bool) {
	if len(args) < 2 {
		return tool.Command{}, false
	}
	return tool.Find(args[1])
}

// run is the life of a server. It returns when ctx ends or stop is called, and
// the node has handed over what it leads.
func run(ctx context.Context, stop func(), args []string, stdin io.Reader, stdout io.Writer) error {
	in, err := config.ParseArgs(args)
	switch {
	case err != nil:
		return err
	case in.Version:
		fmt.Fprintf(stdout, "Quorate server v=%s redis=%s\n", version, admin.RedisVersion)
		return nil
	case in.Help:
		fmt.Fprint(stdout, usage)
		tool.Usage(stdout)
		return nil
	}
	cfg, err := config.Load(in, stdin, config.Options{Version: version})
	if err != nil {
		return err
	}
	s := cfg.Current()
	// First, so that who starts a daemon hears of a log that can't be written.
	log, closeLog, err := openLog(cfg)
	if err != nil {
		return err
	}
	defer closeLog()
	if s.Daemonize && !isDaemon() {
		return daemonize(s)
	}
	defer writePid(s, log)()
	if err := serve(ctx, stop, cfg, log); err != nil {
		log.Error("can't go on", "error", err)
		return err
	}
	return nil
}

const usage = `Usage: quorate [path/to/redis.conf] [--directive value ...] [-]
       quorate -v | --version
       quorate -h | --help

Without arguments: a single node on port 6379. A cluster: scripts/cluster.sh start

Tools:
`

// serve builds, from below: metrics, node (files, Raft groups, peer port),
// clients, pages; waits; and closes in the opposite order.
func serve(ctx context.Context, stop func(), cfg *config.Config, log hclog.Logger) (err error) {
	s := cfg.Current()
	adm := &admin.Admin{Config: cfg, Version: version, Started: time.Now(), RunID: runID(), Stop: stop, Warn: log.Warn}
	var clients *transport.Server
	figures := metrics.New(adm.GroupFigures, func() metrics.ServerFigures { return adm.ServerFigures(clients) })
	adm.Counters = admin.NewCounters(figures)

	running := &fsm.Running{}
	table := transport.NewTable(adm.Commands()...)
	users := security.NewUsers(transport.SecurityCommands(table))
	if err := admin.LoadUsers(users, s); err != nil {
		return err
	}
	opts, err := nodeOptions(cfg, figures, running, users.Commands, adm.NotSaved, log)
	if err != nil {
		return err
	}
	// The client port is taken before the node starts, so that a second process
	// on it fails before it touches anything.
	entrance, err := openDoors(clientAddrs(s), log)
	if err != nil {
		return err
	}
	var n *node.Node
	adm.AOF = appendOnlyKeeper(cfg, func(w io.Writer, begin func(group uint32), all func()) error {
		return n.Dump(w, fsm.File{AOFBase: true, Uncompressed: !cfg.Current().RDBCompression, NoChecksum: !s.RDBChecksum}, func(m node.Moment) {
			begin(m.Group)
		}, all)
	}, func() bool { return n.HasData() }, log)
	hears := listener{aof: adm.AOF}
	agreed := &admin.ClusterUsers{Users: users, Path: filepath.Join(opts.Dir, "users.json"), Warn: log.Warn}
	if err := agreed.Restore(); err != nil {
		entrance.close()
		return err
	}
	hears.attach(&opts, agreed)
	n, err = node.Open(opts)
	if err != nil {
		entrance.close()
		return err
	}
	adm.Node = n
	adm.Busy = busyWith(running, cfg)
	clients = transport.New(transport.Options{Router: router{n}, Table: table, Users: users,
		Databases: databases(s), Version: admin.RedisVersion, Limits: clientLimits(cfg), Observer: observer{adm.Counters}, Slow: adm.Slow(), Busy: adm.Busy, NotSaved: adm.NotSaved, Flushed: adm.Flushed,
		Spread: n.Spread, Serves: n.Serves, Loading: loading(n), Source: source{n, cfg}, ReplID: adm.RunID, Logger: log.Named("clients")})
	adm.FollowUsers(clients)
	putLimitsInForce(cfg, n)
	syncAsConfigured(cfg, n)
	evictInTime(cfg, n)
	replicasInTime(cfg, n)
	hears.listen(clients, cfg)

	var wg sync.WaitGroup
	stopSampling := make(chan struct{})
	wg.Add(1)
	// Owned by serve. Stops when stopSampling closes; serve waits.
	go func() {
		defer wg.Done()
		adm.Counters.Sample(stopSampling)
	}()
	wg.Add(1)
	// Owned by serve. Stops when stopSampling closes; serve waits.
	go func() {
		defer wg.Done()
		returnMemory(n, stopSampling)
	}()
	wg.Add(1)
	// Owned by serve. Stops when stopSampling closes; serve waits.
	go func() {
		defer wg.Done()
		adm.SavePoints(stopSampling)
	}()
	pages, err := servePages(&wg, adm, figures, s, log)
	entrance.begin(clients, &wg)
	moveDoors(cfg, entrance)
	ready := false // clients may have been served, however soon the end comes
	if err == nil {
		ready, err = n.Opened(ctx)
	}
	if ready = ready && err == nil && n.Ready(ctx); ready {
		err = keepAppendOnly(cfg, adm, log)
	}
	if ready && err == nil {
		adm.Served()
		adm.TellFound()
		log.Info("ready to accept connections", "version", version, "port", s.Port, "mode", mode(s), "node", n.ID(), "pid", os.Getpid())
		<-ctx.Done()
		log.Info("stopping: handing leadership over")
		running.EndAll(nil)
	}
	// Leadership first, while clients are still connected: they are redirected
	// instead of meeting a closed port. Then the clients, then the node.
	leave, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	if n.HandOver(leave) {
		// A connection that closes on a command leaves its outcome unknown.
		moving, cancel := context.WithTimeout(leave, 500*time.Millisecond)
		clients.Quiet(moving, 50*time.Millisecond)
		cancel()
	}
	if cerr := clients.Close(leave); cerr != nil {
		log.Warn("clients were cut off", "reason", cerr)
	}
	if pages != nil {
		err = errors.Join(err, pages.Close())
	}
	close(stopSampling)
	adm.AbandonSave()
	wg.Wait()
	adm.AOF.Stop()
	if err := adm.SaveAtEnd(); err != nil {
		log.Warn("RDB file not written at the end; the data is in the log", "error", err)
	}
	err = errors.Join(err, n.Close())
	log.Info("stopped")
	return err
}

// servePages serves /metrics and /health, if they have a port.
func servePages(wg *sync.WaitGroup, adm *admin.Admin, m *metrics.Metrics, s *config.Settings, log hclog.Logger) (*http.Server, error) {
	port := s.EffectiveMetricsPort()
	if port == 0 {
		return nil, nil
	}
	// Figures are for the machine's own agent unless clients from elsewhere are
	// welcome too.
	host := "127.0.0.1"
	if !s.ProtectedMode && len(s.Bind) > 0 {
		host = hostOf(s.Bind[0])
	}
	l, err := net.Listen("tcp", net.JoinHostPort(host, strconv.FormatInt(port, 10)))
	if err != nil && s.MetricsPort < 0 {
		// Nobody asked for this port: it is only where the page would be by default.
		log.Warn("no metrics page", "reason", err)
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("metrics page: %w", err)
	}
	pages := adm.Pages(m)
	wg.Add(1)
	// Owned by serve. Stops when pages closes.
	go func() {
		defer wg.Done()
		if err := pages.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			log.Error("metrics page ended", "error", err)
		}
	}()
	return pages, nil
}

func mode(s *config.Settings) string {
	if s.ClusterEnabled {
		return "cluster"
	}
	return "standalone"
}

// databases returns the number of databases: one in cluster mode, as in Redis.
func databases(s *config.Settings) int {
	if s.ClusterEnabled {
		return 1
	}
	return int(s.Databases)
}

func runID() string {
	var b [20]byte
	_, _ = rand.Read(b[:]) // never fails (crypto/rand)
	return hex.EncodeToString(b[:])
}
