package keyspace

// entryCost is an estimate of what an entry of the keyspace takes beside its
// key and value: itself, its index cell, rounding of the key's allocation.
const entryCost = 56 + 16 + 8

// MemUsage estimates the bytes of memory that the key and its value take. It
// depends on them and the encoding only, not on how they came to be.
func (e *Entry) MemUsage() int {
	n := entryCost + len(e.key)
	switch e.Kind() {
	case KindList:
		return n + e.List().MemUsage()
	case KindSet:
		return n + e.Set().MemUsage()
	case KindZSet:
		return n + int(e.ZSet().MemUsage())
	case KindHash:
		return n + e.Hash().MemUsage()
	case KindStream:
		return n + e.Stream().MemUsage()
	}
	if _, ok := e.Int(); ok {
		return n
	}
	return n + e.StrLen()
}
