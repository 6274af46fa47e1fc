// Package config is the configuration of a node, in the model of Redis 7.0: a
// table of directives (table.go, table_inert.go), set by a file and the command
// line (load.go, args.go), read and changed by CONFIG GET, SET and REWRITE
// (get.go, set.go, rewrite.go).
//
// The rest of the server reads typed values:
//
//	s := cfg.Current() // one consistent set of values; keep it for one command, not longer
//	if len(arg) > int(s.ProtoMaxBulkLen) { ... }
//
// and learns of changes with OnChange, or has a say in them with OnApply.
package config

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
)

// Config is the live configuration of a node. All methods may be called
// concurrently; Current costs one atomic load.
type Config struct {
	// Fixed after Load.
	options  Options
	path     string // absolute path of the configuration file, "" if there is none
	defaults *Settings

	current atomic.Pointer[Settings]

	mu       sync.Mutex // held while CONFIG SET or REWRITE runs; guards what follows
	hooks    []hook
	watchers []watcher
	named    map[*directive]bool // by CONFIG SET, of those with otherDefault
}

// Options is what the program tells the package about itself.
type Options struct {
	// Version is named in messages about errors in the file.
	Version string
	// Supported names directives that the table marks as not supported and
	// whose effect this program does have, for example "requirepass" once AUTH
	// works. Naming one that does not exist panics.
	Supported []string
}

type hook struct {
	names []string
	apply func(old, next *Settings) error
}

type watcher struct {
	name string
	fn   func(*Settings)
}

// Current returns the values as of now. It never returns nil.
func (c *Config) Current() *Settings { return c.current.Load() }

// File returns the absolute path of the configuration file, "" if the server runs without one.
func (c *Config) File() string { return c.path }

// OnChange has fn called with the new values after CONFIG SET changed the named
// directive. Calls come one at a time, in the order of the changes, and before
// CONFIG SET returns; fn must be quick and must not call Set, Rewrite, OnChange
// or OnApply. An unknown name panics.
func (c *Config) OnChange(name string, fn func(*Settings)) {
	d := mustFind(name)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.watchers = append(c.watchers, watcher{d.name, fn})
}

// OnApply has apply called, once per CONFIG SET, when that would change one of
// the named directives, and before any reader sees the new values. An error
// refuses the whole CONFIG SET; its text reaches the client, so it should be
// Redis's ("Unable to listen on this port. Check server logs."). If a later
// hook refuses, apply is called again with the values exchanged to go back.
// The rules for OnChange hold here too.
func (c *Config) OnApply(apply func(old, next *Settings) error, names ...string) {
	canonical := make([]string, len(names))
	for i, name := range names {
		canonical[i] = mustFind(name).name
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.hooks = append(c.hooks, hook{canonical, apply})
}

// allDirectives is both tables, byName finds an entry by its name or an alias.
var allDirectives, byName = index()

func index() ([]*directive, map[string]*directive) {
	var all []*directive
	names := make(map[string]*directive)
	for _, part := range [][]directive{table, inertTable, redisTable} {
		for i := range part {
			d := &part[i]
			all = append(all, d)
			for _, name := range append([]string{d.name}, d.aliases...) {
				if names[name] != nil {
					panic("config: directive " + name + " is in the table twice")
				}
				names[name] = d
			}
		}
	}
	return all, names
}

func mustFind(name string) *directive {
	d := byName[strings.ToLower(name)]
	if d == nil {
		panic("config: no directive " + name)
	}
	return d
}

// defaultSettings are the values before any file. The error is about the
// working directory, the default of dir; a bad default in the table panics.
func defaultSettings() (*Settings, error) {
	s := &Settings{inert: make(map[string]string)}
	for _, d := range allDirectives {
		args, err := Split(d.def)
		if err == nil {
			err = d.value.set(s, args, true)
		}
		if err != nil && d.name == "dir" {
			return nil, fmt.Errorf("use the working directory: %w", err)
		}
		if err != nil {
			panic(fmt.Sprintf("config: default of %s: %v", d.name, err))
		}
	}
	s.savesSeen = false
	return s, nil
}

// assign parses args into s, refusing a value that has no effect here.
func (o *Options) assign(d *directive, s, defaults *Settings, args []string, loading bool) error {
	if err := d.value.set(s, args, loading); err != nil {
		return err
	}
	if d.flags&unsupported != 0 && !slices.Contains(o.Supported, d.name) && d.value.get(s) != d.value.get(defaults) {
		if def := d.value.get(defaults); def != "" {
			return fmt.Errorf("%s is not supported yet: only '%s' is accepted", d.name, def)
		}
		return fmt.Errorf("%s is not supported yet", d.name)
	}
	return nil
}

// Info describes one directive, for documentation and help.
type Info struct {
	Name    string
	Aliases []string
	Default string // as in a file
	Doc     string
	// Immutable: only file and command line set it.
	Immutable bool
	// Cosmetic: accepted for compatibility, without effect.
	Cosmetic bool
	// DefaultOnly: values other than the default are refused.
	DefaultOnly bool
}

// Describe returns all directives in the order of the table.
func (o *Options) Describe() []Info {
	out := make([]Info, 0, len(allDirectives))
	for _, d := range allDirectives {
		out = append(out, Info{
			Name: d.name, Aliases: slices.Clone(d.aliases), Default: d.def, Doc: d.doc,
			Immutable:   d.flags&immutable != 0,
			Cosmetic:    d.flags&cosmetic != 0,
			DefaultOnly: d.flags&unsupported != 0 && !slices.Contains(o.Supported, d.name),
		})
	}
	return out
}

// sortedNames are the names and aliases of all directives.
var sortedNames = slices.Sorted(maps.Keys(byName))
