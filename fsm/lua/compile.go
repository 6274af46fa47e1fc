package lua

import (
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"

	glua "github.com/yuin/gopher-lua"
	"github.com/yuin/gopher-lua/ast"
	"github.com/yuin/gopher-lua/parse"
)

// Bounds of a script's text. The parser needs some hundred bytes for a token,
// and recursion of the compiler follows the nesting.
const (
	maxCode    = 1 << 20
	maxNesting = 200    // brackets, blocks and prefixes, as in Lua 5.1
	maxChain   = 20_000 // operators and calls in one expression
)

var (
	errCodeSize = errors.New("script is larger than 1 MiB")
	errNesting  = errors.New("chunk has too many syntax levels")
)

// compile parses and compiles a chunk. The error's text is what Lua would say,
// as far as the parser knows.
func compile(code, name string) (proto *glua.FunctionProto, err error) {
	if len(code) > maxCode {
		return nil, errCodeSize
	}
	if line, ok := nesting(code); !ok {
		return nil, fmt.Errorf("%s:%d: %w", name, line, errNesting)
	}
	defer func() {
		if v := recover(); v != nil {
			proto, err = nil, fmt.Errorf("%s: the compiler failed: %v", name, v)
		}
	}()
	stmts, err := parse.Parse(strings.NewReader(code), name)
	if err != nil {
		return nil, syntaxError(err, code, name)
	}
	if !shallow(stmts) {
		return nil, fmt.Errorf("%s: %w", name, errNesting)
	}
	proto, err = glua.Compile(stmts, name)
	if err != nil {
		return nil, syntaxError(err, code, name)
	}
	// The compiler gives every function with "..." a local table "arg", as Lua
	// 5.0 did. That of a chunk has no name that anything could find it by.
	proto.IsVarArg &^= glua.VarArgNeedsArg
	return proto, nil
}

// parserError is how the parser writes its errors.
var parserError = regexp.MustCompile(`(?s)^.*? (?:line:(\d+)\(column:\d+\)|at EOF:\s*) ?(?:near '(.*?)':)?\s*(.*)$`)

// syntaxError brings an error of the parser into Lua's form.
func syntaxError(err error, code, name string) error {
	msg := strings.TrimSpace(err.Error())
	m := parserError.FindStringSubmatch(msg)
	if m == nil {
		return errors.New(name + ": " + oneLine(msg))
	}
	line, near, text := m[1], m[2], strings.TrimSpace(m[3])
	if line == "" {
		line, near = strconv.Itoa(1+strings.Count(code, "\n")), "<eof>"
	}
	switch text {
	case "syntax error", "Invalid token":
		text = "unexpected symbol"
	case "parse error": // an expression that is no statement
		text = "'=' expected"
	}
	if near = strings.TrimSpace(near); near == "\x00" {
		near = "" // Lua has no place for what it takes for no token
	}
	if near != "" {
		text += " near '" + near + "'"
	}
	return errors.New(name + ":" + line + ": " + oneLine(text))
}

// nesting reports whether brackets, blocks and prefix operators of a chunk lie
// in each other no deeper than maxNesting, and the line where they do.
func nesting(code string) (line int, ok bool) {
	depth, prefix := 0, 0
	line = 1
	for i := 0; i < len(code); {
		c := code[i]
		switch {
		case c == '\n':
			line++
			i++
			continue
		case c == ' ' || c == '\t' || c == '\r':
			i++
			continue
		case c == '-' && strings.HasPrefix(code[i:], "--"):
			end := skipComment(code, i)
			line += strings.Count(code[i:end], "\n")
			i = end
			continue
		case c == '"' || c == '\'':
			i, prefix = skipString(code, i), 0
			continue
		case c == '[' && longBracket(code[i:]) > 0:
			end := skipLong(code, i)
			line += strings.Count(code[i:end], "\n")
			i, prefix = end, 0
			continue
		case isWordByte(c):
			start := i
			for i < len(code) && isWordByte(code[i]) {
				i++
			}
			switch code[start:i] {
			case "function", "do", "then", "repeat":
				depth++
				prefix = 0
			case "end", "until", "elseif":
				depth--
				prefix = 0
			case "not":
				prefix++
			default:
				// An operand: what follows can go on to the right, with .. or ^.
			}
		case c == '(' || c == '{' || c == '[':
			depth++
			i++
			prefix = 0
		case c == ')' || c == '}' || c == ']':
			depth--
			i++
		case c == '.' && strings.HasPrefix(code[i:], ".."):
			prefix++
			i += 2
		case c == '-' || c == '#' || c == '^':
			prefix++
			i++
		case c == '=' || c == ',' || c == ';':
			prefix = 0
			i++
		default:
			i++
		}
		if depth > maxNesting || prefix > maxPrefix {
			return line, false
		}
	}
	return line, true
}

// maxPrefix is how many operators that group to the right may follow each
// other; a subtraction counts, too, since the scanner doesn't tell it from a sign.
const maxPrefix = 10_000

func isWordByte(c byte) bool {
	return c == '_' || c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= 0x80
}

// longBracket returns the length of an opening long bracket, or 0.
func longBracket(s string) int {
	n := 1
	for n < len(s) && s[n] == '=' {
		n++
	}
	if n < len(s) && s[n] == '[' {
		return n + 1
	}
	return 0
}

func skipLong(code string, i int) int {
	open := longBracket(code[i:])
	end := "]" + strings.Repeat("=", open-2) + "]"
	if at := strings.Index(code[i+open:], end); at >= 0 {
		return i + open + at + len(end)
	}
	return len(code)
}

func skipComment(code string, i int) int {
	i += 2
	if i < len(code) && code[i] == '[' && longBracket(code[i:]) > 0 {
		return skipLong(code, i)
	}
	if at := strings.IndexByte(code[i:], '\n'); at >= 0 {
		return i + at
	}
	return len(code)
}

func skipString(code string, i int) int {
	quote := code[i]
	for i++; i < len(code); i++ {
		switch code[i] {
		case '\\':
			i++
		case quote:
			return i + 1
		case '\n':
			return i
		}
	}
	return len(code)
}

// shallow reports whether the longest chain of operators is one that the
// compiler can follow.
func shallow(stmts []ast.Stmt) bool {
	d := depths{}
	d.block(stmts, 0)
	return !d.deep
}
