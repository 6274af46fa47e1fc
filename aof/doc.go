// Package aof is the append-only directory of Redis 7: a manifest that names a base
// and the increments behind it (manifest.go, dir.go), how the commands in these files
// are read (reader.go, load.go), and who keeps such a directory up to date while a
// server runs (keeper.go). It knows files and commands, not what they mean.
package aof
