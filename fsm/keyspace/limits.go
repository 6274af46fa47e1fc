package keyspace

// Limits are the thresholds at which small values leave their compact
// encodings, named after the directives of redis.conf. They are part of the
// replicated state: they decide the order in which elements are met, so every
// replica must hold the same.
type Limits struct {
	HashMaxListpackEntries int // hash-max-listpack-entries
	HashMaxListpackValue   int // hash-max-listpack-value, bytes
	ListMaxListpackSize    int // list-max-listpack-size: elements, or -1..-5 for 4 to 64 KiB a node
	ListCompressDepth      int // list-compress-depth: kept and reported; nodes are not compressed
	ListPlainFrom          int // DEBUG QUICKLIST-PACKED-THRESHOLD: bytes from which an element has a plain node even if it fits; 0: none
	SetMaxIntsetEntries    int // set-max-intset-entries
	ZsetMaxListpackEntries int // zset-max-listpack-entries
	ZsetMaxListpackValue   int // zset-max-listpack-value, bytes
	StreamNodeMaxBytes     int // stream-node-max-bytes; 0: as many as a listpack can hold
	StreamNodeMaxEntries   int // stream-node-max-entries; 0: any number

	// ProtoMaxBulkLen is proto-max-bulk-len: the length in bytes that a string
	// must not exceed by APPEND or SETRANGE. Values hold lengths in 32 bits, so
	// MaxString caps it.
	ProtoMaxBulkLen int
}

// MaxString is the largest value of Limits.ProtoMaxBulkLen: 1 GiB.
const MaxString = 1 << 30

// DefaultLimits are those of Redis 7.0.
func DefaultLimits() Limits {
	return Limits{
		HashMaxListpackEntries: 128,
		HashMaxListpackValue:   64,
		ListMaxListpackSize:    -2,
		SetMaxIntsetEntries:    512,
		ZsetMaxListpackEntries: 128,
		ZsetMaxListpackValue:   64,
		StreamNodeMaxBytes:     4096,
		StreamNodeMaxEntries:   100,
		ProtoMaxBulkLen:        512 << 20,
	}
}
