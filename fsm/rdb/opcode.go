package rdb

// The version written, and the newest one whose files are read: the versions
// after 10 only added value types and opcodes, which are refused one by one.
const (
	Version    = 10
	maxVersion = 12
)

// Opcodes stand where the type of a value could stand.
const (
	opSlotInfo     = 0xf4
	opFunction     = 0xf5
	opFunctionPre  = 0xf6 // of the release candidates of 7.0
	opModuleAux    = 0xf7
	opIdle         = 0xf8
	opFreq         = 0xf9
	opAux          = 0xfa
	opResizeDB     = 0xfb
	opExpireMs     = 0xfc
	opExpire       = 0xfd
	opSelectDB     = 0xfe
	opEOF          = 0xff
	smallestOpcode = opSlotInfo
)

// Types of values.
const (
	typeString        = 0
	typeList          = 1
	typeSet           = 2
	typeZSet          = 3 // scores as decimal text
	typeHash          = 4
	typeZSet2         = 5 // scores as binary doubles
	typeModule1       = 6
	typeModule2       = 7
	typeHashZipmap    = 9 // Redis before 2.6
	typeListZiplist   = 10
	typeSetIntset     = 11
	typeZSetZiplist   = 12
	typeHashZiplist   = 13
	typeListQuicklist = 14 // nodes are ziplists
	typeStream1       = 15 // Redis 5 and 6
	typeHashListpack  = 16
	typeZSetListpack  = 17
	typeListQuick2    = 18 // nodes are listpacks or plain strings
	typeStream2       = 19
	typeSetListpack   = 20 // since version 11
	typeStream3       = 21 // since version 11
)

// unsupported names what the format can hold and this package does not.
var unsupported = map[byte]string{
	opSlotInfo: "slot information",
}

// The two top bits of a length tell its form; 0b11 means that no length follows
// but a specially encoded string.
const (
	len6   = 0x00
	len14  = 0x40
	len32  = 0x80
	len64  = 0x81
	encode = 0xc0
)

// The special encodings of strings.
const (
	encInt8  = encode | 0
	encInt16 = encode | 1
	encInt32 = encode | 2
	encLZF   = encode | 3
)

// Containers of quicklist nodes.
const (
	nodePlain  = 1
	nodePacked = 2
)

// maxString bounds one string or packed node. Redis's own limits are 512 MiB
// for a string and 1 GiB for a listpack.
const maxString = 1 << 30
