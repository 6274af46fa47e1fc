package rdb

import (
	"fmt"
	"strings"

	"github.com/quorate/quorate/fsm/keyspace"
)

// showStream writes all there is to know about a stream.
func showStream(b *strings.Builder, s *keyspace.Stream) {
	fmt.Fprintf(b, " %d %d %v %v %v", s.Len(), s.Added(), s.LastID(), s.FirstID(), s.MaxDeletedID())
	s.EachNode(func(id keyspace.StreamID, lp []byte) { fmt.Fprintf(b, " node %v %x", id, lp) })
	for _, g := range s.Groups() {
		fmt.Fprintf(b, " group %q %v %d", g.Name(), g.LastID, g.Read)
		g.Each(keyspace.StreamID{}, keyspace.MaxStreamID, nil, func(id keyspace.StreamID, p *keyspace.StreamPending) bool {
			fmt.Fprintf(b, " %v %q %d %d", id, p.Consumer().Name(), p.Time, p.Count)
			return true
		})
		for _, c := range g.Consumers() {
			fmt.Fprintf(b, " consumer %q %d", c.Name(), c.Seen)
			g.Each(keyspace.StreamID{}, keyspace.MaxStreamID, c, func(id keyspace.StreamID, _ *keyspace.StreamPending) bool {
				fmt.Fprintf(b, " %v", id)
				return true
			})
		}
	}
}
