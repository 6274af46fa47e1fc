package resp

import "strings"

// Example writes a value of one of the types that the protocol has, so that
// clients can be tested against them: DEBUG PROTOCOL of Redis 7.0. kind is the
// type's name in any case. Another name is answered by an error.
func (w *Writer) Example(kind string) {
	three := func(header func(int)) {
		header(3)
		for i := range int64(3) {
			w.Int(i)
		}
	}
	switch kind := strings.ToLower(kind); kind {
	case "string":
		w.BulkString("Hello World")
	case "integer":
		w.Int(12345)
	case "double":
		w.Double([]byte("3.141"))
	case "null":
		w.Null()
	case "array":
		three(w.Array)
	case "set":
		three(w.Set)
	case "map":
		w.Map(3)
		for i := range int64(3) {
			w.Int(i)
			w.Truth(i == 1)
		}
	case "attrib":
		if w.Attribute(1) {
			w.BulkString("key-popularity")
			w.Array(2)
			w.BulkString("key:123")
			w.Int(90)
		}
		w.BulkString("Some real reply following the attribute")
	case "push":
		if w.Proto < 3 {
			w.Error("ERR RESP2 is not supported by this command")
			return
		}
		w.Push(2)
		w.BulkString("server-cpu-usage")
		w.Int(42)
		w.BulkString("Some real reply following the push reply")
	case "verbatim":
		w.Verbatim("txt", "This is a verbatim\nstring")
	case "true", "false":
		w.Truth(kind == "true")
	case "bignum":
		w.BigNumber("1234567999999999999999999999999999999")
	default:
		w.Error("ERR Wrong protocol type name. Please use one of the following: " +
			"string|integer|double|bignum|null|array|set|map|attrib|push|verbatim|true|false")
	}
}
