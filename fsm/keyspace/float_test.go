package keyspace

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"
)

// What redis-server 7.0.15 does with these arguments of ZADD. An empty answer
// stands for "value is not a valid float".
var parseFloatCases = []struct{ in, want string }{
	{"3", "3"}, {"1.5", "1.5"}, {"0.1", "0.10000000000000001"}, {"-0", "-0"}, {"+5", "5"},
	{"5.", "5"}, {".5", "0.5"}, {"1e5", "100000"}, {"1e20", "1e+20"}, {"1e17", "1e+17"},
	{"1E-5", "1.0000000000000001e-05"}, {"123456789012345678", "1.2345678901234568e+17"},
	{"9007199254740993", "9007199254740992"}, {"0x10", "16"}, {"0x1p3", "8"}, {"0X1.8", "1.5"},
	{"-0x.8P-1", "-0.25"}, {"inf", "inf"}, {"+INF", "inf"}, {"-Infinity", "-inf"},
	{"1.7976931348623157e308", "1.7976931348623157e+308"}, {"5e-324", "4.9406564584124654e-324"},
	{"1e-320", "9.9998886718268301e-321"}, {"0e-999", "0"}, {"0x0p-9999", "0"},
	{"-0000000000000000000000000001", "-1"},

	{"", ""}, {" 1", ""}, {"1 ", ""}, {"nan", ""}, {"-NaN", ""}, {"nan(1)", ""}, {"infi", ""},
	{"1e400", ""}, {"-1e400", ""}, {"1e-400", ""}, {"0x1p-2000", ""}, {"0x", ""}, {"0x.", ""}, {"0xg", ""},
	{".", ""}, {"-", ""}, {"+-1", ""}, {"1e", ""}, {"1e+", ""}, {"0x1p", ""}, {"1_0", ""},
	{"1\x00", ""}, {"1,5", ""}, {"1.2.3", ""}, {"0b1", ""}, {"1f", ""}, {"1p3", ""},
}

func TestParseAndAppendFloat(t *testing.T) {
	for _, c := range parseFloatCases {
		f, ok := ParseFloat([]byte(c.in))
		got := ""
		if ok {
			got = string(AppendFloat(nil, f))
		}
		if got != c.want {
			t.Errorf("%q: %q, want %q", c.in, got, c.want)
		}
	}
	if got := string(AppendFloat([]byte("x"), math.NaN())); got != "xnan" {
		t.Error(got)
	}
}

// What redis-server 7.0.15 answers to SET k old, INCRBYFLOAT k incr. An empty
// answer stands for an error.
var incrFloatCases = []struct{ old, incr, want string }{
	{"10.50", "0.1", "10.6"}, {"5.0e3", "2.0e2", "5200"}, {"3.0e3", "0", "3000"},
	{"0.1", "0.2", "0.3"}, {"-1.1", "1.1", "0"}, {"3", "1.1", "4.1"}, {"0", "-0", "0"}, {"-0", "-0", "0"},
	{"17179869184", "1.5", "17179869185.5"}, {"1", "-1.1", "-0.1"}, {"2", "0x1.8p1", "5"},
	{"0", "1e-5", "0.00001"}, {"0", "1e-18", "0"}, {"0", "5e-18", "0"},
	{"0", "5.0000001e-18", "0.00000000000000001"}, {"0", "0x1p-57", "0.00000000000000001"}, {"0", "-0x1.fp-59", "0"}, {"0", "-1e-18", "0"},
	{"0", "123456789012345678", "123456789012345678"}, {"18446744073709551615", "1", "18446744073709551616"},
	{"0", "3.14159265358979323846", "3.14159265358979324"}, {"0", "1e-400", "0"},
	{"0", "3.6451995318824746e-4951", "0"}, {"0", "1e4933", ""}, {"0", "1e-4960", ""},
	{"0", "1.8e-4951", ""}, {"0", "inf", ""}, {"inf", "1", ""}, {"1.1e4932", "1.1e4932", ""},
	{"0", "nan", ""}, {"0", "", ""}, {"0", " 1", ""}, {"0", "1 ", ""}, {"x", "1", ""},
	{"0", "0x1p16384", ""}, {"0", "0x1p-16446", ""}, {"0", "0x1.1p-16446", "0"}, {"0", "0x1p-16445", "0"},
}

func incrFloat(old, incr string) string {
	x, ok1 := ParseExtended([]byte(old))
	y, ok2 := ParseExtended([]byte(incr))
	if !ok1 || !ok2 {
		return ""
	}
	sum, ok := AppendIncrFloat(nil, &x, &y)
	if !ok {
		return ""
	}
	return string(sum)
}

func TestIncrFloat(t *testing.T) {
	for _, c := range incrFloatCases {
		if got := incrFloat(c.old, c.incr); got != c.want {
			t.Errorf("%q + %q = %q, want %q", c.old, c.incr, got, c.want)
		}
	}
	long := strings.Repeat("1", extendedMaxText)
	if _, ok := ParseExtended([]byte(long)); ok {
		t.Error("a text of 5 KiB was accepted")
	}
	if got := incrFloat("0", "0."+strings.Repeat("0", 5000)+"1e5001"); got != "1" {
		t.Errorf("many zeros and a large exponent: %q, want 1", got)
	}
	if got := incrFloat("0", "0."+strings.Repeat("1", 5000)); got != "0.11111111111111111" {
		t.Errorf("5000 ones: %q", got)
	}
	x, _ := ParseExtended([]byte("-inf"))
	if got := string(x.Append(nil)); !x.IsInf() || got != "-inf" {
		t.Errorf("-inf prints as %q", got)
	}
}

// randomNumber returns a number's text, from plain to strange.
func randomNumber(r *rand.Rand) string {
	switch r.IntN(8) {
	case 0:
		return fmt.Sprint(r.Int64N(1<<uint(1+r.IntN(62))) - 1000)
	case 1:
		return fmt.Sprintf("%.*f", r.IntN(6), (r.Float64()-0.5)*1000)
	case 2:
		return fmt.Sprintf("%.*f", r.IntN(20), (r.Float64()-0.5)*math.Pow(10, float64(r.IntN(25))))
	case 3:
		return fmt.Sprintf("%.*e", r.IntN(22), r.NormFloat64()*math.Pow(10, float64(r.IntN(600)-300)))
	case 4:
		return fmt.Sprintf("%x", r.NormFloat64())
	case 5:
		return fmt.Sprintf("%d.%019d%019d", r.Int64N(1000), r.Int64(), r.Int64())
	case 6:
		return fmt.Sprintf("%de%d", r.Int64N(1000)-500, r.IntN(10200)-5100)
	}
	text := []byte(fmt.Sprintf("%g", r.NormFloat64()))
	text[r.IntN(len(text))] = "0123456789.+-eExXpP infa_\x00"[r.IntN(26)]
	return string(text)
}

// TestFloatsAgainstRedis compares thousands of random numbers with a running
// redis-server: as scores, as increments, and as bounds of a range.
func TestFloatsAgainstRedis(t *testing.T) {
	redis := startRedis(t)
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 1))
	// In a listpack a zero has no sign.
	redis.do("CONFIG", "SET", "zset-max-listpack-entries", "0")

	var cases []string
	for _, c := range parseFloatCases {
		cases = append(cases, c.in)
	}
	for range 3000 {
		cases = append(cases, randomNumber(r))
	}
	for _, in := range cases {
		want := ""
		redis.do("DEL", "z")
		if reply := redis.do("ZADD", "z", in, "m"); reply[0] == ':' {
			want = redis.do("ZSCORE", "z", "m")[1:]
		}
		got := ""
		if f, ok := ParseFloat([]byte(in)); ok {
			got = string(AppendFloat(nil, f))
		}
		if got != want {
			t.Errorf("score %q: %q, Redis %q", in, got, want)
		}
	}
	for range 3000 {
		old, incr := randomNumber(r), randomNumber(r)
		redis.do("SET", "f", old)
		want := ""
		if reply := redis.do("INCRBYFLOAT", "f", incr); reply[0] == '$' {
			want = reply[1:]
		}
		if got := incrFloat(old, incr); got != want {
			t.Errorf("%q + %q = %q, Redis %q", old, incr, got, want)
		}
	}
	for _, c := range incrFloatCases {
		redis.do("SET", "f", c.old)
		want := ""
		if reply := redis.do("INCRBYFLOAT", "f", c.incr); reply[0] == '$' {
			want = reply[1:]
		}
		if c.want != want {
			t.Errorf("the table says %q + %q = %q, Redis %q", c.old, c.incr, c.want, want)
		}
	}
}

func BenchmarkParseFloat(b *testing.B) {
	text := []byte("1234.5678")
	for b.Loop() {
		ParseFloat(text)
	}
}

func BenchmarkIncrFloat(b *testing.B) {
	x, _ := ParseExtended([]byte("1234.5678"))
	var buf []byte
	for b.Loop() {
		y, _ := ParseExtended([]byte("0.1"))
		buf, _ = AppendIncrFloat(buf[:0], &x, &y)
	}
}

func FuzzNumbers(f *testing.F) {
	for _, c := range parseFloatCases {
		f.Add([]byte(c.in))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if v, ok := ParseFloat(b); ok {
			again, ok := ParseFloat(AppendFloat(nil, v))
			if !ok || again != v {
				t.Fatalf("%q is %v, which reads back as %v (%v)", b, v, again, ok)
			}
		}
		if x, ok := ParseExtended(b); ok {
			if _, ok := ParseExtended(x.Append(nil)); !ok {
				t.Fatalf("%q prints as %q, which isn't read back", b, x.Append(nil))
			}
		}
		ParseScoreRange(b, b)
		ParseLexRange(b, b)
	})
}
