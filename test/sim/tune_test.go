package sim

import "github.com/quorate/quorate/store"

// smallSnapshots makes groups take a snapshot every few hundred entries, so
// that a node that was away catches up by one.
func smallSnapshots(o *store.GroupOptions) { o.SnapshotBytes = 32 << 10 }
