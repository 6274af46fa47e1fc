package node

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/raft"

	"github.com/quorate/quorate/fsm"
	"github.com/quorate/quorate/slots"
	"github.com/quorate/quorate/store"
	"github.com/quorate/quorate/store/wal"
	"github.com/quorate/quorate/transport/peer"
)

// Address names a node by its client address and its port for other nodes.
type Address struct {
	Host           string
	Port, PeerPort int
}

// Addr returns the address for clients.
func (a Address) Addr() string { return net.JoinHostPort(a.Host, strconv.Itoa(a.Port)) }

// PeerAddr returns the address for other nodes.
func (a Address) PeerAddr() string { return net.JoinHostPort(a.Host, strconv.Itoa(a.PeerPort)) }

// Options configure a node.
type Options struct {
	Dir     string  // data directory; the node keeps everything below it
	Self    Address // what others are told, unless InitialNodes says better
	Cluster bool
	// InitialNodes are the nodes that form a new cluster, this one among them.
	// A node that has them belongs to no cluster before they all answered.
	InitialNodes []Address
	// InitialGroups is the number of groups of a new cluster; 0: one per node.
	InitialGroups int
	// Seed is what a node in plain mode begins with that has no state yet.
	Seed        Seed
	Databases   int
	Fsync       wal.Sync                                           // when the log is made durable
	LogStore    string                                             // "shared": one log for all groups; "boltdb": one file a group
	Timeout     time.Duration                                      // heartbeat and election timeout; 0: the default
	NodeTimeout time.Duration                                      // after which an unreachable node is marked as failed; 0: 2 s
	Group       func(*store.GroupOptions)                          // adjusts the options of every data group
	Limits      func() map[string]int                              // thresholds of compact encodings that leaders put in force
	Network     peer.Network                                       // nil: TCP
	Files       OpenFiles                                          // nil: on disk; a simulation passes its own
	DiskLimit   time.Duration                                      // how long the disk may take for one operation
	MinFree     int64                                              // bytes that must stay free on the disk
	OnSync      func(time.Duration)                                // told how long each log write took
	Tracker     fsm.Tracker                                        // told of changed keys; may be nil
	OnEvent     func(class byte, event string, db int, key []byte) // keyspace events of groups that this node leads
	Listening   func() bool                                        // whether OnEvent has to be called for anything; not nil with OnEvent
	WantsEvent  func(class byte) bool                              // whether OnEvent has to be called; not nil with OnEvent
	OnMove      func()                                             // slots or leaderships may have left this node; must not block
	OnUsers     func(u slots.Users)                                // the users of ACL were changed; must not block
	OnMessage   func(channel, payload []byte)                      // a message published on another node
	Fatal       func(error)                                        // must not return
	Logger      hclog.Logger
}

// OpenFiles opens the files of a group's replica.
type OpenFiles func(group uint32, dir string) (*store.Files, error)

// Node is one process's part of a cluster. Methods are safe for concurrent use.
type Node struct {
	opt       Options
	log       hclog.Logger
	lock      *os.File
	disk      *store.Disk
	spread    *spread
	wal       atomic.Pointer[wal.WAL] // the log that all groups share; nil with one file a group, and before it is open
	mux       *peer.Mux               // nil in plain mode
	clusterID atomic.Pointer[string]
	slotMap   *slots.Control
	changed   chan struct{} // the map or a leadership changed: reconcile

	mu     sync.Mutex
	id     *identity
	self   slots.Node
	groups map[uint32]*store.Group // replicas of data groups on this node
	busy   map[uint32]bool         // groups that are being opened or deleted
	closed bool
	loaded fsm.Loaded // what a node in plain mode began with

	// For reading without the lock.
	control atomic.Pointer[store.Replica]           // nil until this node belongs to a cluster
	table   atomic.Pointer[map[uint32]*store.Group] // groups
	users   atomic.Uint64                           // revision of the users that OnUsers was told of
	leaving atomic.Bool                             // HandOver was called: take no leadership back
	left    atomic.Bool                             // and it is through: give away whatever comes
	loads   loads
	opened  chan struct{} // closed when the files are open, or could not be opened
	openErr error         // why; to be read once opened is closed
	stop    chan struct{}
	wg      sync.WaitGroup
}

// Open starts a node and returns while it loads its state: see Opened. In plain mode
// it serves as soon as it has applied its log and elected itself; in cluster mode it forms or joins its
// cluster in the background.
func Open(o Options) (*Node, error) {
	if o.NodeTimeout == 0 {
		o.NodeTimeout = 2 * time.Second
	}
	if o.LogStore == "" {
		o.LogStore = logShared
	}
	mode := "plain"
	if o.Cluster {
		mode = "cluster"
	}
	lock, err := lockDir(o.Dir)
	if err != nil {
		return nil, err
	}
	n := &Node{opt: o, log: o.Logger, lock: lock, groups: map[uint32]*store.Group{}, busy: map[uint32]bool{}, spread: newSpread(),
		changed: make(chan struct{}, 1), opened: make(chan struct{}), stop: make(chan struct{})}
	if n.id, err = loadIdentity(o.Dir, mode); err != nil {
		return nil, errors.Join(err, lock.Close())
	}
	if n.opt.Files == nil {
		n.disk = store.NewDisk(o.Dir, o.DiskLimit, o.MinFree, o.Fatal, o.OnSync)
	}
	cluster := n.id.Cluster // a copy: n.id changes under mu
	n.clusterID.Store(&cluster)
	n.self = slots.Node{ID: n.id.Node, Host: o.Self.Host, Port: o.Self.Port, PeerPort: o.Self.PeerPort}
	n.slotMap = slots.NewControl(func(m *slots.Map) {
		n.tellUsers(m)
		n.poke()
		n.moved()
	}, o.Fatal)
	n.publishLocked()
	if o.Cluster {
		if err := n.openMux(); err != nil {
			close(n.opened)
			return nil, errors.Join(err, n.Close())
		}
	}
	// Both owned by Node. They stop when all is loaded, or n.stop closes; Close waits.
	n.loads.begin(startUp)
	n.wg.Add(2)
	go n.openFiles()
	go n.tellProgress()
	return n, nil
}

// openFiles opens what the node has on its disk and reports through n.opened.
func (n *Node) openFiles() {
	defer n.wg.Done()
	defer n.loads.end(startUp)
	if err := n.openAll(); err == nil && n.opt.Cluster {
		n.awaitReplicas()
	} else if err == nil && !n.stopping() {
		n.awaitPlain()
	}
}

// openAll opens the files, reports that, and returns the error if it couldn't.
func (n *Node) openAll() error {
	err := n.openState()
	if n.stopping() {
		err = nil // that is why
	}
	n.openErr = err
	close(n.opened)
	return err
}

// stopping reports whether Close was called.
func (n *Node) stopping() bool {
	select {
	case <-n.stop:
		return true
	default:
		return false
	}
}

func (n *Node) openState() error {
	if n.disk != nil {
		if err := n.openLog(); err != nil {
			return err
		}
		if err := n.forgetLeftovers(); err != nil {
			return err
		}
	}
	if n.opt.Cluster {
		return n.openCluster()
	}
	return n.openPlain()
}

// Opened waits until the node has opened its files, in plain mode all of the snapshot
// included, and returns the error if it couldn't. False means that ctx ended first.
func (n *Node) Opened(ctx context.Context) (bool, error) {
	select {
	case <-n.opened:
		return true, n.openErr
	case <-ctx.Done():
		return false, nil
	}
}

func (n *Node) openMux() (err error) {
	addr := n.opt.Self.PeerAddr()
	n.mux, err = peer.Open(peer.Options{Addr: addr, NodeID: n.id.Node, Network: n.opt.Network,
		ClusterID: func() string { return *n.clusterID.Load() }, MaxFrame: 256 << 20, Logger: n.log.Named("peer")})
	if err != nil {
		return err
	}
	n.offerServices()
	return nil
}

func (n *Node) openCluster() (err error) {
	n.mu.Lock()
	if n.closed {
		n.mu.Unlock()
		return nil
	}
	if n.id.Cluster != "" {
		err = n.openControlLocked()
	}
	n.mu.Unlock()
	if err != nil {
		return err
	}
	// All owned by Node. They stop when n.stop closes; Close waits.
	n.wg.Add(2)
	go n.become()
	go n.reconcileLoop()
	return nil
}

// Close stops all replicas and leaves. Call HandOver first to spare the others
// an election.
func (n *Node) Close() error {
	n.mu.Lock()
	if n.closed {
		n.mu.Unlock()
		return nil
	}
	n.closed = true
	n.mu.Unlock()
	close(n.stop)
	n.wg.Wait()
	var errs []error
	for _, g := range n.groupList() {
		errs = append(errs, g.Close())
	}
	if c := n.control.Load(); c != nil {
		errs = append(errs, c.Close())
	}
	if n.mux != nil {
		errs = append(errs, n.mux.Close())
	}
	if w := n.wal.Load(); w != nil {
		errs = append(errs, w.Close())
	}
	if n.disk != nil {
		n.disk.Close()
	}
	return errors.Join(append(errs, n.lock.Close())...)
}

// Ready waits until the node can answer clients: in plain mode until it has
// applied its log and elected itself, in cluster mode at once, since others may
// serve what this node can't yet. False means that ctx ended first.
func (n *Node) Ready(ctx context.Context) bool {
	for !n.opt.Cluster && n.Loading() {
		select {
		case <-ctx.Done():
			return !n.Loading()
		case <-time.After(2 * time.Millisecond):
		}
	}
	return true
}

// HandOver gives away every leadership this node has, control group last, and
// returns when the new leaders are known here or ctx ends. It reports whether
// clients have to go elsewhere for what they found here.
func (n *Node) HandOver(ctx context.Context) (moved bool) {
	n.leaving.Store(true)
	for _, g := range n.groupList() {
		if !g.Leading() || len(g.Members()) == 1 {
			continue
		}
		moved = true
		if err := g.HandOver(ctx); err != nil {
			n.logNotHandedOver(g.Replica, err)
			continue
		}
		n.awaitLeader(ctx, g.Replica)
	}
	if c := n.control.Load(); c != nil {
		if err := c.HandOver(ctx); err != nil {
			n.logNotHandedOver(c, err)
		}
	}
	n.left.Store(true)
	return moved
}

// Stay takes HandOver back: the node may lead again.
func (n *Node) Stay() {
	n.left.Store(false)
	n.leaving.Store(false)
}

// logNotHandedOver: a node that leaves last has nobody to give anything to.
func (n *Node) logNotHandedOver(r *store.Replica, err error) {
	if errors.Is(err, store.ErrNobodyThere) {
		n.log.Info("leadership not handed over: no other node answers", "group", r.ID())
		return
	}
	n.log.Warn("leadership not handed over", "group", r.ID(), "error", err)
}

// awaitLeader waits for the election that follows a handover, so that clients
// who come here can be told where to go.
func (n *Node) awaitLeader(ctx context.Context, r *store.Replica) {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	for {
		if id, _ := r.Leader(); id != "" && id != n.id.Node {
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(5 * time.Millisecond):
		}
	}
}

// ID returns the node's ID, 40 hexadecimal digits.
func (n *Node) ID() string { return n.id.Node }

// Self returns the node as it presents itself.
func (n *Node) Self() slots.Node {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.self
}

// Map returns the newest committed slot map this node knows. In plain mode it
// is empty.
func (n *Node) Map() *slots.Map { return n.slotMap.Map() }

// Log returns the node's logger.
func (n *Node) Log() hclog.Logger { return n.log }

// Disk returns the watch over the data directory, nil in a simulation.
func (n *Node) Disk() *store.Disk { return n.disk }

// Groups returns the data groups with a replica here, by ID.
func (n *Node) Groups() map[uint32]*store.Group { return *n.table.Load() }

// Control returns the replica of the control group, or nil.
func (n *Node) Control() *store.Replica { return n.control.Load() }

// replica returns the replica of any group here, the control group included.
func (n *Node) replica(group uint32) *store.Replica {
	if group == controlGroup {
		return n.Control()
	}
	if g := n.Groups()[group]; g != nil {
		return g.Replica
	}
	return nil
}

func (n *Node) groupList() []*store.Group {
	n.mu.Lock()
	defer n.mu.Unlock()
	var out []*store.Group
	for _, g := range n.groups {
		out = append(out, g)
	}
	return out
}

// poke wakes the reconcile loop.
func (n *Node) poke() {
	select {
	case n.changed <- struct{}{}:
	default:
	}
}

// publishLocked makes the set of groups visible to routing.
func (n *Node) publishLocked() {
	table := make(map[uint32]*store.Group, len(n.groups))
	for id, g := range n.groups {
		table[id] = g
	}
	n.table.Store(&table)
}

// controlGroup is the number of the control group.
const controlGroup = 0

// dirOf returns the directory of a group's replica.
func (n *Node) dirOf(group uint32) string { return groupDir(n.opt.Dir, group) }

func groupDir(dir string, group uint32) string {
	return filepath.Join(dir, groupPrefix+strconv.FormatUint(uint64(group), 10))
}

const groupPrefix = "group-"

// filesLocked opens a group's files, after making sure that this node either
// never had the replica or still has it.
func (n *Node) filesLocked(group uint32) (*store.Files, error) {
	dir := n.dirOf(group)
	if n.id.Groups[group] && n.disk != nil {
		if _, err := os.Stat(filepath.Join(dir, "raft.db")); err != nil {
			return nil, fmt.Errorf("the log of group %d is gone from %s, and with it what this node promised: "+
				"wipe the whole data directory to come back as a new node", group, dir)
		}
	}
	f, err := n.opt.Files(group, dir)
	if err != nil {
		return nil, err
	}
	if !n.id.Groups[group] {
		n.id.Groups[group] = true
		if err := n.id.save(); err != nil {
			return nil, errors.Join(fmt.Errorf("write the node's identity: %w", err), f.Close())
		}
	}
	return f, nil
}

// openGroup opens this node's replica of a data group and, if members are
// given, founds the group with them; on a replica that has state that does nothing.
// It takes as long as the loading of a snapshot; the caller has marked the group as busy.
func (n *Node) openGroup(group uint32, members []raft.Server) error {
	n.mu.Lock()
	files, err := n.filesLocked(group)
	n.mu.Unlock()
	if err != nil {
		return err
	}
	skip, err := n.loadPoison(group)
	if err != nil {
		return errors.Join(err, files.Close())
	}
	var t store.Transport
	if n.opt.Cluster {
		t = newLink(n.mux, group)
	} else {
		_, mem := raft.NewInmemTransport(plainAddr)
		t = aloneTransport{mem}
	}
	o := n.groupOptions(group, files, t)
	o.Machine.Skip = skip
	o.Loading = &store.Loading{Stop: n.stop}
	if !n.opt.Cluster {
		o.Replica.Timeout = plainTimeout
	}
	n.loads.begin(group)
	n.loads.put(group, o.Loading)
	loading := true // until awaitReplay sees to it
	defer func() {
		if loading {
			n.loads.end(group)
		}
	}()
	if o.Begun, err = n.seed(files, members, &o); err != nil {
		return errors.Join(err, t.Close(), files.Close())
	}
	g, err := store.OpenGroup(o)
	if err != nil {
		return errors.Join(err, t.Close(), files.Close())
	}
	n.mu.Lock()
	n.groups[group] = g // Close, which waits for this, will close it
	n.publishLocked()
	n.mu.Unlock()
	if n.opt.Tracker != nil {
		n.opt.Tracker.Replaced() // nobody told of changes before
	}
	if members != nil {
		if err := g.Bootstrap(members); err != nil {
			return err
		}
	}
	if n.opt.Cluster {
		n.wg.Add(1) // the caller is counted, so that Close is still waiting
		loading = false
		// Owned by Node. Stops when the log was applied, or n.stop closes.
		go n.awaitReplay(group, g)
	}
	return nil
}

// groupOptions returns the options that all data groups share.
func (n *Node) groupOptions(group uint32, files *store.Files, t store.Transport) store.GroupOptions {
	opened := time.Now()
	o := store.GroupOptions{
		Replica: store.ReplicaOptions{Group: group, NodeID: n.id.Node, Files: files, Disk: n.disk, Transport: t,
			Logger: n.log.Named("group-" + strconv.FormatUint(uint64(group), 10)), Timeout: n.opt.Timeout},
		Machine: fsm.Options{Databases: n.opt.Databases, Cluster: n.opt.Cluster, Redirect: n.appendRedirect,
			Clock:  func() int64 { return int64(time.Since(opened)) },
			Events: n.groupEvents(group), Listening: n.opt.Listening, Tracker: n.opt.Tracker},
		OnLeader: func(ctx context.Context, g *store.Group) error {
			if err := n.bringUpToDate(g, group); err != nil {
				return err
			}
			n.poke() // to have the new leader entered into the map
			return nil
		},
		OnFollower: n.onFollower,
		OnPanic:    func(g *store.Group, e *fsm.PanicError) { n.heal(group, g, e) },
	}
	if n.opt.Group != nil {
		n.opt.Group(&o)
	}
	return o
}
