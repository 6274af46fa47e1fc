package fsm

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
)
