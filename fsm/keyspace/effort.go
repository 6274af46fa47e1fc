package keyspace

// FreeEffort tells how many allocations a value consists of, as far as Redis
// 7.0 counts them when it decides whether to free it in the background
// (lazyfreeGetFreeEffort): the nodes of a list or a stream, the elements of a
// hash table or a skiplist, 1 for what is one piece.
func (v *Value) FreeEffort() int {
	switch v.kind {
	case KindList:
		return v.List().Nodes()
	case KindSet:
		if s := v.Set(); s.Encoding() == "hashtable" {
			return s.Len()
		}
	case KindZSet:
		if z := v.ZSet(); z.Encoding() == "skiplist" {
			return z.Len()
		}
	case KindHash:
		if h := v.Hash(); h.Encoding() == "hashtable" {
			return h.Len()
		}
	case KindStream:
		s := v.Stream()
		n := s.Nodes()
		if groups := s.Groups(); len(groups) > 0 {
			n += len(groups) * (1 + groups[0].Pending())
		}
		return n
	}
	return 1
}
