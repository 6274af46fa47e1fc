package store

import (
	"encoding/binary"
	"errors"
	"fmt"
	"sync"

	"github.com/hashicorp/raft"

	"github.com/quorate/quorate/store/fault"
)

// The keys under which hashicorp/raft keeps a vote. It writes the term first
// and the candidate second, in two transactions: a crash between them leaves
// the new term beside the old candidate, who would then be granted a vote
// without the check of its log (hashicorp/raft issue 661).
const (
	keyTerm     = "CurrentTerm"
	keyVoteTerm = "LastVoteTerm"
	keyVoteCand = "LastVoteCand"
	keyVote     = "quorate-vote" // term (8 bytes, big endian), then candidate
)

var errNotFound = errors.New("not found") // hashicorp/raft compares the text

// voteStore is a stable store that writes term and candidate of a vote
// together: the term waits in memory for its candidate.
type voteStore struct {
	raft.StableStore
	mu      sync.Mutex
	pending uint64
}

// SetUint64 implements raft.StableStore. A term never goes back: the library's
// fast path for heartbeats could try (hashicorp/raft issue 695), and a node that
// forgets a term may vote twice in it.
func (s *voteStore) SetUint64(key []byte, n uint64) error {
	if string(key) == keyTerm {
		if old, err := s.StableStore.GetUint64(key); err == nil && n < old {
			return fmt.Errorf("term would go back from %d to %d", old, n)
		}
	}
	if string(key) != keyVoteTerm {
		return s.StableStore.SetUint64(key, n)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.pending = n
	return nil
}

// Set implements raft.StableStore.
func (s *voteStore) Set(key, value []byte) error {
	if string(key) != keyVoteCand {
		return s.StableStore.Set(key, value)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	vote := binary.BigEndian.AppendUint64(make([]byte, 0, 8+len(value)), s.pending)
	fault.Point("vote: before it is written")
	err := s.StableStore.Set([]byte(keyVote), append(vote, value...))
	fault.Point("vote: after it is written")
	return err
}

// GetUint64 implements raft.StableStore.
func (s *voteStore) GetUint64(key []byte) (uint64, error) {
	if string(key) != keyVoteTerm {
		return s.StableStore.GetUint64(key)
	}
	term, _, err := s.vote()
	return term, err
}

// Get implements raft.StableStore.
func (s *voteStore) Get(key []byte) ([]byte, error) {
	if string(key) != keyVoteCand {
		return s.StableStore.Get(key)
	}
	_, cand, err := s.vote()
	return cand, err
}

func (s *voteStore) vote() (term uint64, cand []byte, err error) {
	v, err := s.StableStore.Get([]byte(keyVote))
	if err != nil {
		return 0, nil, err
	}
	if len(v) < 8 {
		return 0, nil, errNotFound
	}
	return binary.BigEndian.Uint64(v), v[8:], nil
}
