package fsm

import (
	"math"
	"strconv"
	"strings"
)

// Error replies of data commands. The texts are those of redis-server 7.0.15.
const (
	errWrongType    = "WRONGTYPE Operation against a key holding the wrong kind of value"
	errNotInteger   = "ERR value is not an integer or out of range"
	errNotFloat     = "ERR value is not a valid float"
	errSyntax       = "ERR syntax error"
	errNoSuchKey    = "ERR no such key"
	errOutOfRange   = "ERR index out of range"
	errMustPositive = "ERR value is out of range, must be positive"
	errStringLimit  = "ERR string exceeds maximum allowed size (proto-max-bulk-len)"
	errOverflow     = "ERR increment or decrement would overflow"
	errDecrement    = "ERR decrement would overflow"
	errNaNOrInf     = "ERR increment would produce NaN or Infinity"
	errOffset       = "ERR offset is out of range"
	errDBIndex      = "ERR DB index is out of range"
	errSameObject   = "ERR source and destination objects are the same"
	errCursor       = "ERR invalid cursor"

	errExpireNX   = "ERR NX and XX, GT or LT options at the same time are not compatible"
	errExpireGTLT = "ERR GT and LT options at the same time are not compatible"

	errScoreNaN        = "ERR resulting score is not a number (NaN)"
	errZaddNXXX        = "ERR XX and NX options at the same time are not compatible"
	errZaddGTLTNX      = "ERR GT, LT, and/or NX options at the same time are not compatible"
	errZaddIncr        = "ERR INCR option supports a single increment-element pair"
	errRangeLimit      = "ERR syntax error, LIMIT is only supported in combination with either BYSCORE or BYLEX"
	errRangeScores     = "ERR syntax error, WITHSCORES not supported in combination with BYLEX"
	errWeight          = "ERR weight value is not a float"
	errTimeout         = "ERR timeout is not a float or out of range"
	errTimeoutNegative = "ERR timeout is negative"
	errLimit           = "ERR LIMIT can't be negative"
	errNumKeys         = "ERR numkeys should be greater than 0"
	errCount           = "ERR count should be greater than 0"
	errRange           = "ERR value is out of range"

	errLCSStrings = "ERR The specified keys must contain string values"
	errLCSBoth    = "ERR If you want both the length and indexes, please just use IDX."
	errLCSMemory  = "ERR Insufficient memory, transient memory for LCS exceeds proto-max-bulk-len"

	errRankZero       = "ERR RANK can't be zero: use 1 to start from the first match, 2 from the second ... or use negative to start from the end of the list"
	errCountNegative  = "ERR COUNT can't be negative"
	errMaxLenNegative = "ERR MAXLEN can't be negative"

	errHashNotInteger = "ERR hash value is not an integer"
	errHashNotFloat   = "ERR hash value is not a float"
	errInfinite       = "ERR value is NaN or Infinity"
	errNumKeysArgs    = "ERR Number of keys can't be greater than number of args"

	// errReplyLimit has no counterpart in Redis: see ReadCall.repeat.
	errReplyLimit = "ERR the reply would exceed proto-max-bulk-len"

	errBit          = "ERR bit is not an integer or out of range"
	errBitOffset    = "ERR bit offset is not an integer or out of range"
	errBitArgument  = "ERR The bit argument must be 1 or 0."
	errBitopNot     = "ERR BITOP NOT must be called with a single source key."
	errBitfieldType = "ERR Invalid bitfield type. Use something like i16 u8. Note that u64 is not supported but i64 is."
	errBitfieldOver = "ERR Invalid OVERFLOW type specified"
	errBitfieldRO   = "ERR BITFIELD_RO only supports the GET subcommand"

	errHLLType           = "WRONGTYPE Key is not a valid HyperLogLog string value."
	errHLLCorrupt        = "INVALIDOBJ Corrupted HLL object detected"
	errHLLDense          = "ERR HLL encoding is not sparse"
	errHLLNoKey          = "ERR The specified key does not exist"
	errGeoUnit           = "ERR unsupported unit provided. please use M, KM, FT, MI"
	errGeoMember         = "ERR could not decode requested zset member"
	errGeoRadius         = "ERR need numeric radius"
	errGeoRadiusNegative = "ERR radius cannot be negative"
	errGeoWidth          = "ERR need numeric width"
	errGeoHeight         = "ERR need numeric height"
	errGeoBoxNegative    = "ERR height or width cannot be negative"
	errGeoCount          = "ERR COUNT must be > 0"
	errGeoAny            = "ERR the ANY argument requires COUNT argument"

	errSortBy      = "ERR BY option of SORT denied in Cluster mode."
	errSortGet     = "ERR GET option of SORT denied in Cluster mode."
	errSortByUser  = "ERR BY option of SORT denied due to insufficient ACL permissions."
	errSortGetUser = "ERR GET option of SORT denied due to insufficient ACL permissions."
	errSortDouble  = "ERR One or more scores can't be converted into double"

	errBusyKey     = "BUSYKEY Target key name already exists."
	errRestoreTTL  = "ERR Invalid TTL value, must be >= 0"
	errRestoreIdle = "ERR Invalid IDLETIME value, must be >= 0"
	errRestoreFreq = "ERR Invalid FREQ value, must be >= 0 and <= 255"
	errDumpFooter  = "ERR DUMP payload version or checksum are wrong"
	errDumpFormat  = "ERR Bad data format"

	errMoveCluster   = "ERR MOVE is not allowed in cluster mode"
	errCopyCluster   = "ERR Copying to another database is not allowed in cluster mode"
	errSwapCluster   = "ERR SWAPDB is not allowed in cluster mode"
	errSwapFirst     = "ERR invalid first DB index"
	errSwapSecond    = "ERR invalid second DB index"
	errNoFrequencies = "ERR An LFU maxmemory policy is not selected, access frequency not tracked. Please note that when switching between policies at runtime LRU and LFU data will take some time to adjust."
	errNoIdleTime    = "ERR An LFU maxmemory policy is selected, idle time not tracked. Please note that when switching between policies at runtime LRU and LFU data will take some time to adjust."

	errOOM     = "OOM command not allowed when used memory > 'maxmemory'."
	errExecOOM = "EXECABORT Transaction discarded because of: " + errOOM

	errNoReplicas     = "NOREPLICAS Not enough good replicas to write."
	errExecBarred     = "EXECABORT Transaction discarded because of: "
	errNotSaved       = "MISCONF Redis is configured to save RDB snapshots, but it's currently unable to persist to disk. Commands that may modify the data set are disabled, because this instance is configured to report errors during writes if RDB snapshotting fails (stop-writes-on-bgsave-error option). Please check the Redis logs for details about the RDB error."
	errScriptNotSaved = "MISCONF Redis is configured to save RDB snapshots, but it's currently unable to persist to disk. Writable scripts are blocked. Use 'no-writes' flag for read only scripts."
)

// errExpireTime is the reply to an expiry that overflows or must not be
// negative; name is the command's in lower case.
func errExpireTime(name string) string { return "ERR invalid expire time in '" + name + "' command" }

// errArity is the reply to a wrong number of arguments where the arity of the
// table can't say it (MSET); name is the command's in lower case.
func errArity(name string) string {
	return "ERR wrong number of arguments for '" + name + "' command"
}

// errNoInput is the reply to a number of keys below one; name is the command's
// in lower case.
func errNoInput(name string) string {
	return "ERR at least 1 input key is needed for '" + name + "' command"
}

// errFormat finishes the text of an error that ends in a client's argument:
// Redis cuts line breaks off its end.
func errFormat(text string) string { return strings.TrimRight(text, "\r\n") }

// errGeoPoint is the reply to a position that can't be stored.
func errGeoPoint(longitude, latitude float64) string {
	return "ERR invalid longitude,latitude pair " + cFloat(longitude) + "," + cFloat(latitude)
}

// cFloat returns a number as Redis prints it with %f.
func cFloat(f float64) string {
	switch {
	case math.IsInf(f, 1):
		return "inf"
	case math.IsInf(f, -1):
		return "-inf"
	}
	return strconv.FormatFloat(f, 'f', 6, 64)
}

// errGeoStore is the reply to storing what can only be replied.
func errGeoStore(search bool) string {
	what := "STORE option in GEORADIUS"
	if search {
		what = "GEOSEARCHSTORE"
	}
	return "ERR " + what + " is not compatible with WITHDIST, WITHHASH and WITHCOORD options"
}

// errGeoFrom is the reply to a search without a centre; name is the command's
// as the client wrote it.
func errGeoFrom(name string) string {
	return errFormat("ERR exactly one of FROMMEMBER or FROMLONLAT can be specified for " + name)
}

// errGeoBy is the reply to a search without a shape.
func errGeoBy(name string) string {
	return errFormat("ERR exactly one of BYRADIUS and BYBOX can be specified for " + name)
}
