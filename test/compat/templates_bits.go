package compat

// Bitmaps and HyperLogLogs. Their keys are strings of their own; %a meets them
// only through templates here.
func init() {
	typedFamilies["bits"], typedFamilies["hll"] = true, true

	const (
		kind = "(i8|u8|i16|u16|i64|u63|i1|u1|i5|u13|i63|u32|u64|i65|u0|i|x8|i08|u-1)"
		// No offset near the limit: strings of 512 MB would be compared.
		bit      = "(0|1|2|3|5|7|8|9|15|16|17|23|31|33|40|47|63|64|65|77|100|128|200|301|1000)"
		odd      = "(-1|x|+1|01|4294967296|9223372036854775807|9223372036854775808|-9223372036854775808|1.0)"
		at       = "(" + bit + "|" + bit + "|" + bit + "|#0|#1|#2|#3|#-1|#x|#|#9223372036854775807|#4611686018427387904|" + odd + ")"
		overflow = "[OVERFLOW (WRAP|SAT|FAIL|WRAP|SAT|FAIL|NOSUCH)]"
		reads    = "GET " + kind + " " + at
		writes   = overflow + " (SET " + kind + " " + at + " %i|INCRBY " + kind + " " + at + " %i|GET u8 " + at + ")"
		good     = "[OVERFLOW (WRAP|SAT|FAIL)] (SET|INCRBY) (i8|u8|i64|u63|u3|i5) (0|3|8|17|#1|#2|40) (%i|1|-1|100|-100|255|-128)"
		some     = "(%k|%k|string:1)"
	)
	templates["bits"] = []string{
		"SETBIT " + some + " " + bit + " (0|1)", "SETBIT " + some + " " + bit + " (0|1)", "SETBIT " + some + " (" + bit + "|" + odd + ") (0|1|%i)", "GETBIT " + some + " (" + bit + "|%o|%i)", "GETBIT " + some + " (%x|#1)",
		"BITCOUNT " + some, "BITCOUNT " + some + " %x %x [BIT|BYTE|NOSUCH]", "BITCOUNT " + some + " %n", "BITCOUNT " + some + " %x %x BIT",
		"BITPOS " + some + " (0|1)", "BITPOS " + some + " (0|1|%n) %x", "BITPOS " + some + " (0|1) %x %x [BIT|BYTE|NOSUCH]", "BITPOS " + some + " (0|1) %x %x BIT",
		"BITOP (AND|OR|XOR) %k <" + some + ">", "BITOP NOT %k " + some + " [%k]", "BITOP (AND|OR|XOR|NOSUCH) %k <%a>",
		"BITFIELD " + some + " <" + good + ">", "BITFIELD " + some + " <" + good + ">", "BITFIELD " + some + " <" + writes + ">", "BITFIELD " + some + " <" + reads + ">", "BITFIELD " + some,
		"BITFIELD_RO " + some + " <GET (i8|u8|u63|i64|u5) (" + bit + "|%o|4294967295|#0|#1|#2)>", "BITFIELD_RO " + some + " <" + reads + ">", "BITFIELD_RO " + some + " <" + writes + ">",
		"GET %k", "STRLEN %k", "SET %k %v", "APPEND %k %v", "SETRANGE %k %o %v", "INCR %k", "DEL %k", "OBJECT ENCODING %k", "EXPIRE %k %t",
	}
	// SETRANGE spoils headers only: a sparse value that ends in half a run is
	// treated otherwise on purpose (docs/divergence.md).
	templates["hll"] = []string{
		"PFADD %k <%m>", "PFADD %k <%m>", "PFADD %k <%m>", "PFADD %k [%m]", "PFADD %k <%v>", "PFADD %a %v",
		"PFCOUNT %k", "PFCOUNT %k", "PFCOUNT <%k>", "PFCOUNT <%a>", "PFMERGE %k <%k>", "PFMERGE %k <%k>", "PFMERGE %k [%a]",
		"PFDEBUG (ENCODING|DECODE|TODENSE|NOSUCH) %k", "PFDEBUG (ENCODING|DECODE|TODENSE|GETREG) %k", "PFDEBUG DECODE %k",
		"GET %k", "GET %k", "STRLEN %k", "OBJECT ENCODING %k", "DEL %k", "EXPIRE %k %t", "COPY %k %k [REPLACE]",
		"SETRANGE %k (3|4|8) (x|abc|\x00\x00|-5.5|12345678)", "SETBIT %k (40|64|127|128|129|130|150) (0|1)",
	}
}
