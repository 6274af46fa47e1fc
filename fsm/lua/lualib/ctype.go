package lualib

// Character classes of C's ctype.h in the C locale.

func isAlpha(c byte) bool  { return c|0x20 >= 'a' && c|0x20 <= 'z' }
func isDigit(c byte) bool  { return c >= '0' && c <= '9' }
func isAlnum(c byte) bool  { return isAlpha(c) || isDigit(c) }
func isCntrl(c byte) bool  { return c < 32 || c == 127 }
func isLower(c byte) bool  { return c >= 'a' && c <= 'z' }
func isUpper(c byte) bool  { return c >= 'A' && c <= 'Z' }
func isPunct(c byte) bool  { return c > 32 && c < 127 && !isAlnum(c) }
func isSpace(c byte) bool  { return c == ' ' || c >= '\t' && c <= '\r' }
func isXdigit(c byte) bool { return isDigit(c) || c|0x20 >= 'a' && c|0x20 <= 'f' }
