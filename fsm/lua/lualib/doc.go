// Package lualib holds the libraries that a Redis 7.0 script finds beside the
// redis table: string, table, math, bit, cjson, cmsgpack and struct. They are
// written for a state machine: every function draws on a Budget, so that no
// call runs for long or takes much memory, and gives the same result on every
// replica.
//
// math.random and math.randomseed are not here: they belong to the
// interpreter, which knows the seed. Nor are the base functions (pairs, pcall,
// tostring ...), except unpack, which is bounded here.
package lualib
