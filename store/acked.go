package store

import "github.com/hashicorp/raft"

// Acked asks the other replicas of the group, learners included, how far they
// are and returns how many have applied the entry at index, which they therefore
// have on stable storage. Those that don't answer in time don't count.
func (r *Replica) Acked(index uint64) int {
	var others []raft.Server
	for _, s := range r.members() {
		if s.ID != r.id {
			others = append(others, s)
		}
	}
	answers := make(chan bool, len(others))
	for _, s := range others {
		r.trans.AskStatus(s.ID, s.Address, r.opt.Timeout, func(st Status, err error) {
			answers <- err == nil && st.Applied >= index
		})
	}
	n := 0
	for range others {
		select {
		case has := <-answers:
			if has {
				n++
			}
		case <-r.stop:
			return n
		}
	}
	return n
}
