//go:build race || poison

package slab

// poison says that freed pieces are overwritten, so that nobody goes on using them unnoticed.
const poison = true
