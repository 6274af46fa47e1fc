package compat

import (
	"os/exec"
	"strings"
	"testing"

	"github.com/quorate/quorate/test/harness"
)

// TestIntegerArguments compares what commands of the server and the connection
// say to texts that are nearly numbers: Redis takes only the shortest form.
func TestIntegerArguments(t *testing.T) {
	if _, err := exec.LookPath("redis-server"); err != nil {
		t.Skip("redis-server, the oracle, is not installed")
	}
	sut, oracle := debugged(t, harness.Quorate{}), debugged(t, harness.Redis{})
	odd := []string{"+1", "01", " 1", "1 ", "-0", "", "1x", "1.0", "0x1", "-1", "9223372036854775808"}
	for _, line := range []string{
		"SLOWLOG GET @", "CLIENT PAUSE @", "CLIENT KILL ID @", "CLIENT LIST ID @", "CLIENT UNBLOCK @", "CLIENT TRACKING on REDIRECT @", "SELECT @", "SWAPDB 0 @", "HELLO @", "WAIT @ 0", "WAIT 0 @",
		"MIGRATE h 1 none @ 1", "MIGRATE h 1 none 0 @", "DEBUG POPULATE @", "DEBUG POPULATE 0 k @", "DEBUG SET-ACTIVE-EXPIRE @x", "MEMORY USAGE none SAMPLES @", "LOLWUT VERSION @x",
		"OBJECT FREQ @", "CONFIG SET hz @", "CONFIG SET maxmemory-samples @", "ACL GENPASS @x", "COPY a b DB @", "MOVE a @", "EVAL return(1) @", "FCALL f @", "SCAN @",
	} {
		for _, n := range odd {
			var args []string
			for _, a := range strings.Fields(line) {
				args = append(args, strings.ReplaceAll(a, "@", n))
			}
			want, err := oracle.Do(args...)
			if err != nil {
				t.Fatalf("redis: %q: %v", args, err)
			}
			got, err := sut.Do(args...)
			if err != nil {
				t.Fatalf("%q: %v", args, err)
			}
			if string(got.Raw) != string(want.Raw) {
				t.Errorf("%q\n under test %.300q\n redis      %.300q", args, got.Raw, want.Raw)
			}
		}
		for _, c := range []string{"CLIENT UNPAUSE", "SELECT 0", "CLIENT TRACKING off"} {
			sut.Do(strings.Fields(c)...)
			oracle.Do(strings.Fields(c)...)
		}
	}
}
