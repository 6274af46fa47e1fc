package config

import (
	"fmt"
	"maps"
	"path/filepath"
)

// Settings is one consistent set of values of all directives. Units, defaults
// and the meaning of zero are in the table (table.go), next to each name.
//
// A Settings that Config.Current returned never changes: CONFIG SET publishes a
// new one. So it may be read by any number of goroutines without a lock, and
// must not be written to. Call Current again to see later values.
type Settings struct {
	// Where the server listens and what it writes.
	Port          int64
	Bind          []string // a leading "-" marks an address that may be missing; "*" and "::*" mean all
	ProtectedMode bool
	TCPBacklog    int64
	TCPKeepAlive  int64 // seconds
	Timeout       int64 // seconds
	MaxClients    int64
	Databases     int64
	RequirePass   string
	Users         [][]string // what stands behind "user" in each line
	ACLFile       string     // see Path
	ACLLogMaxLen  int64

	ACLPubSubDefault string // allchannels or resetchannels

	Dir       string // absolute
	LogFile   string // see Path
	LogLevel  string // debug, verbose, notice or warning
	Daemonize bool
	PidFile   string // see Path

	// Cluster.
	ClusterEnabled     bool
	ClusterNodeTimeout int64 // milliseconds
	ClusterConfigFile  string

	// Durability.
	AppendFsync    string // always, everysec or no
	AppendOnly     bool
	AppendFilename string
	AppendDirName  string // see Path

	AOFLoadTruncated     bool
	AOFRewritePercentage int64
	AOFRewriteMinSize    int64 // bytes

	Save           []SavePoint
	DBFilename     string
	RDBCompression bool
	RDBChecksum    bool

	StopWritesOnBgsaveError bool

	// Limits on clients.
	ProtoMaxBulkLen         int64 // bytes
	ClientQueryBufferLimit  int64 // bytes
	ClientOutputBufferLimit [OutputClasses]OutputLimit
	SlowlogLogSlowerThan    int64 // microseconds
	SlowlogMaxLen           int64
	LatencyMonitorThreshold int64 // milliseconds
	LuaTimeLimit            int64 // milliseconds

	// Memory.
	MaxMemory         int64 // bytes
	MaxMemoryPolicy   string
	MaxMemorySamples  int64
	MaxMemoryTenacity int64 // 0 to 100

	MinReplicasToWrite int64
	MinReplicasMaxLag  int64 // seconds
	LFULogFactor       int64
	LFUDecayTime       int64 // minutes

	// What clients are told of changes.
	NotifyKeyspaceEvents string // classes of events, A already for all of its letters
	TrackingTableMaxKeys int64

	ReplPingReplicaPeriod int64 // seconds

	// Encodings of small values.
	HashMaxListpackEntries int64
	HashMaxListpackValue   int64 // bytes
	ListMaxListpackSize    int64
	ListCompressDepth      int64
	SetMaxIntsetEntries    int64
	ZSetMaxListpackEntries int64
	ZSetMaxListpackValue   int64 // bytes
	StreamNodeMaxBytes     int64
	StreamNodeMaxEntries   int64
	HLLSparseMaxBytes      int64

	// Who may do what: no, yes or local (clients on a loopback address).
	EnableDebugCommand     string
	EnableModuleCommand    string
	EnableProtectedConfigs string

	// Quorate's own.
	DataDir         string   // see DataPath
	InitialNodes    []string // host:port, client addresses
	InitialGroups   int64
	PeerPort        int64 // see EffectivePeerPort
	MetricsPort     int64 // see EffectiveMetricsPort
	SnapshotLogSize int64 // bytes
	LogStore        string
	GatherMax       int64 // microseconds
	MaxEntrySize    int64 // bytes
	DiskWatchdog    int64 // milliseconds
	MinFreeSize     int64 // bytes

	// inert holds, by name, the directives nothing in the server reads.
	inert map[string]string
	// savesSeen is true once a file had a save line: the first replaces the
	// default save points, the others add to them.
	savesSeen bool
}

// clone returns a copy that may be changed field by field. Slices are shared:
// the table replaces them, it never writes into them.
func (s *Settings) clone() *Settings {
	c := *s
	c.inert = maps.Clone(s.inert)
	return &c
}

// EffectivePeerPort is the port for links between nodes: quorate-peer-port, or
// the client port plus 10000 when that is 0. The error says when the sum is no port.
func (s *Settings) EffectivePeerPort() (int64, error) {
	if s.PeerPort != 0 {
		return s.PeerPort, nil
	}
	if p := s.Port + 10000; p <= 65535 {
		return p, nil
	}
	return 0, fmt.Errorf("port %d plus 10000 is no valid port for the other nodes: set quorate-peer-port", s.Port)
}

// EffectiveMetricsPort is the port of the metrics page, 0 when it is off:
// quorate-metrics-port, or for -1 the client port plus 20000, off when that is
// above 65535 or the client port is 0.
func (s *Settings) EffectiveMetricsPort() int64 {
	if s.MetricsPort >= 0 {
		return s.MetricsPort
	}
	if p := s.Port + 20000; s.Port != 0 && p <= 65535 {
		return p
	}
	return 0
}

// Path resolves a file name of the configuration (logfile, pidfile,
// dbfilename) against Dir, as Redis does by changing into it.
func (s *Settings) Path(name string) string {
	if name == "" || filepath.IsAbs(name) {
		return name
	}
	return filepath.Join(s.Dir, name)
}

// DataName is the data directory's name in dir.
const DataName = "quorate-data"

// DataPath is the directory of the Raft log and its snapshots.
func (s *Settings) DataPath() string {
	if s.DataDir == "" {
		return s.Path(DataName)
	}
	return s.Path(s.DataDir)
}

// keepDataPath leaves the data directory where it was when Dir has moved.
func (s *Settings) keepDataPath(path string) {
	switch {
	case path == s.Path(DataName): // back where it began
		s.DataDir = ""
	case path != s.DataPath():
		s.DataDir = path
	}
}

// validate checks what one directive alone cannot.
func (s *Settings) validate() error {
	if s.ClusterEnabled || len(s.InitialNodes) > 0 {
		if _, err := s.EffectivePeerPort(); err != nil {
			return err
		}
	}
	if s.PeerPort != 0 && s.PeerPort == s.Port {
		return fmt.Errorf("quorate-peer-port and port are both %d: they must differ", s.Port)
	}
	if m := s.EffectiveMetricsPort(); m != 0 {
		if m == s.Port {
			return fmt.Errorf("quorate-metrics-port and port are both %d: they must differ", m)
		}
		if p, err := s.EffectivePeerPort(); err == nil && p == m {
			return fmt.Errorf("quorate-metrics-port and the peer port are both %d: they must differ", m)
		}
	}
	return nil
}
