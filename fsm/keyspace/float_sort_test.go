package keyspace

import (
	"math"
	"testing"
)

// TestParseWeight pins what Redis 7.0.15 accepts. Numbers out of range are here
// and not in a script: its error sticks to the SORTs that follow.
func TestParseWeight(t *testing.T) {
	for text, want := range map[string]float64{
		"": 0, "\x00abc": 0, "1": 1, " \t1.5": 1.5, "-0x10": -16, "1e308": 1e308, "inf": math.Inf(1), "-Infinity": math.Inf(-1),
		"5\x006": 5, "0": 0, "0e-999": 0, "9007199254740993": 9007199254740992, "2.2250738585072014e-308": 0x1p-1022,
	} {
		if got, ok := ParseWeight([]byte(text)); !ok || got != want {
			t.Errorf("%q gives %v, %v, want %v", text, got, ok, want)
		}
	}
	for _, text := range []string{" ", "x", "1x", "1 ", "nan", "-nan", "1e400", "-1e400", "1e-320", "1e-400", " \x00", "+"} {
		if got, ok := ParseWeight([]byte(text)); ok {
			t.Errorf("%q gives %v, want an error", text, got)
		}
	}
}
