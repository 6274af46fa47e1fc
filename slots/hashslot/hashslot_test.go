package hashslot

import "testing"

// The slots are those that CLUSTER KEYSLOT of redis-server 7.0.15 answers.
func TestOf(t *testing.T) {
	for key, want := range map[string]uint16{
		"": 0, "foo": 12182, "bar": 5061, "a": 15495, "b": 3300, "c": 7365, "123456789": 12739,
		"{user1000}.following": 3443, "{user1000}.followers": 3443, "foo{}{bar}": 8363, "foo{{bar}}zap": 4015,
		"foo{bar}{zap}": 5061, "bucket:1": 13936, "bucket:2": 1555, "pail:1": 16018,
	} {
		if got := Of([]byte(key)); got != want {
			t.Errorf("Of(%q) = %d, want %d", key, got, want)
		}
	}
}

// crc16 is compared with the definition, bit by bit, for every length around
// its step of eight bytes.
func TestCRC16(t *testing.T) {
	key := []byte("\x00\xffThe quick brown fox jumps over the lazy dog \x80\x7f")
	for n := range len(key) + 1 {
		var want uint16
		for _, c := range key[:n] {
			want ^= uint16(c) << 8
			for range 8 {
				carry := want&0x8000 != 0
				want <<= 1
				if carry {
					want ^= 0x1021
				}
			}
		}
		if got := crc16(key[:n]); got != want {
			t.Errorf("crc16(%q) = %#x, want %#x", key[:n], got, want)
		}
	}
}
