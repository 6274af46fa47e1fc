package transport

import (
	"errors"

	"github.com/quorate/quorate/store"
)

// Error replies. The texts are those of redis-server 7.0.15 unless a comment
// says otherwise.
const (
	errNoAuth       = "NOAUTH Authentication required."
	errNotInMulti   = "ERR Command not allowed inside a transaction"
	errNested       = "ERR MULTI calls can not be nested"
	errWatchInMulti = "ERR WATCH inside MULTI is not allowed"
	errNoMultiExec  = "ERR EXEC without MULTI"
	errNoMultiDisc  = "ERR DISCARD without MULTI"
	errExecAbort    = "EXECABORT Transaction discarded because of previous errors."
	errCrossSlot    = "CROSSSLOT Keys in request don't hash to the same slot"
	errSyntax       = "ERR syntax error"
	errNotInteger   = "ERR value is not an integer or out of range"
	errClusterOff   = "ERR This instance has cluster support disabled"
	errOOM          = "OOM command not allowed when used memory > 'maxmemory'."
	errLoading      = "LOADING Redis is loading the dataset in memory"
	errMaxClients   = "ERR max number of clients reached"

	// Not in Redis, where all keys of a node can be watched together.
	errWatchGroups = "CROSSSLOT Watched keys and transaction must be served by one group"
	// Not in Redis, where a node has one keyspace.
	errKeylessTx = "ERR This command has no key and can't be part of a transaction on a node that serves several groups"
)

// replyFor returns the error reply for what a group's Do or Watch returned. All
// but the last are promises that nothing was executed, and clients retry them
// by themselves; UNCERTAIN is a code that no client library retries.
// redirect is asked when the group is led elsewhere.
func replyFor(err error, cluster bool, redirect func() string) string {
	switch {
	case errors.Is(err, store.ErrNotLeader):
		if cluster {
			return redirect()
		}
		return "TRYAGAIN The leader is not known yet, nothing was executed"
	case errors.Is(err, store.ErrNoQuorum):
		return "CLUSTERDOWN The cluster is down"
	case errors.Is(err, store.ErrLoading):
		return errLoading
	case errors.Is(err, store.ErrOverloaded):
		return "TRYAGAIN Too many commands are waiting, nothing was executed"
	case errors.Is(err, store.ErrNoSpace):
		return "MISCONF Too little free disk space to accept writes, nothing was executed"
	case errors.Is(err, store.ErrTooLarge):
		return "ERR The command is too large for one log entry"
	case errors.Is(err, store.ErrClosed):
		if cluster {
			return "CLUSTERDOWN The node is shutting down"
		}
		return "TRYAGAIN The node is shutting down, nothing was executed"
	default:
		// store.ErrUncertain, and whatever this function doesn't know: the only
		// answer that is never wrong.
		return "UNCERTAIN the outcome of the command is unknown: it may or may not be executed"
	}
}

// errorCode returns the first word of an error reply's text, as errorstats
// counts it.
func errorCode(text []byte) string {
	for i, c := range text {
		if c == ' ' || c == '\r' {
			return string(text[:i])
		}
	}
	return string(text)
}
