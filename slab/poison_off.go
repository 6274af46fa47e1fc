//go:build !race && !poison

package slab

// Poison says that freed pieces are overwritten, so that nobody goes on using them unnoticed.
const Poison = false
