package transport

import (
	"bytes"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/quorate/quorate/command"
	"github.com/quorate/quorate/fsm"
)

// trackingOptions are the arguments of CLIENT TRACKING.
type trackingOptions struct {
	tracking
	given []string // prefixes
}

// clientTracking implements CLIENT TRACKING ON|OFF and its options. The order
// of the checks is that of redis-server 7.0.15.
func clientTracking(s *Session, args [][]byte) {
	var o trackingOptions
	if problem := s.parseTracking(args[3:], &o); problem != "" {
		s.Error(problem)
		return
	}
	switch {
	case bytes.EqualFold(args[2], []byte("ON")):
		if problem := s.checkTracking(&o); problem != "" {
			s.Error(problem)
			return
		}
		s.startTracking(&o)
	case bytes.EqualFold(args[2], []byte("OFF")):
		s.stopTracking()
	default:
		s.Error(errSyntax)
		return
	}
	s.OK()
}

func (s *Session) parseTracking(args [][]byte, o *trackingOptions) (problem string) {
	for i := 0; i < len(args); i++ {
		more := i+1 < len(args)
		switch word := strings.ToUpper(string(args[i])); {
		case word == "REDIRECT" && more:
			i++
			if o.redirect != 0 {
				return "ERR A client can only redirect to a single other client"
			}
			id, ok := parseLength(args[i])
			if !ok {
				return errNotInteger
			}
			if s.srv.sessions.find(id) == nil {
				return "ERR The client ID you want redirect to does not exist"
			}
			o.redirect = id
		case word == "BCAST":
			o.bcast = true
		case word == "OPTIN":
			o.optIn = true
		case word == "OPTOUT":
			o.optOut = true
		case word == "NOLOOP":
			o.noLoop = true
		case word == "PREFIX" && more:
			i++
			o.given = append(o.given, string(args[i]))
		default:
			return errSyntax
		}
	}
	return ""
}

// checkTracking checks that options fit each other and what is in force.
func (s *Session) checkTracking(o *trackingOptions) (problem string) {
	old := s.track
	switch {
	case !o.bcast && len(o.given) > 0:
		return "ERR PREFIX option requires BCAST mode to be enabled"
	case old != nil && old.bcast != o.bcast:
		return "ERR You can't switch BCAST mode on/off before disabling tracking for this client, and then re-enabling it with a different mode."
	case o.bcast && (o.optIn || o.optOut):
		return "ERR OPTIN and OPTOUT are not compatible with BCAST"
	case o.optIn && o.optOut:
		return "ERR You can't specify both OPTIN mode and OPTOUT mode"
	case old != nil && (o.optIn && old.optOut || o.optOut && old.optIn):
		return "ERR You can't switch OPTIN/OPTOUT mode before disabling tracking for this client, and then re-enabling it with a different mode."
	case !o.bcast:
		return ""
	}
	var have []string
	if old != nil {
		have = s.srv.tracker.prefixesOf(old)
	}
	return checkPrefixes(have, o.given)
}

// checkPrefixes returns the error for prefixes of which one begins with another.
func checkPrefixes(have, given []string) (problem string) {
	all := append(slices.Clone(have), given...)
	slices.Sort(all)
	found := -1
	for i := 1; i < len(all); i++ {
		if strings.HasPrefix(all[i], all[i-1]) {
			found = i
		}
	}
	overlap := func(p, other, kind string) string {
		return "ERR Prefix '" + p + "' overlaps with " + kind + " prefix '" + other + "'. Prefixes for a single client must not overlap."
	}
	if found < 0 {
		return ""
	}
	if len(all) > maxNamedOverlap {
		return overlap(all[found], all[found-1], "another provided")
	}
	for i, p := range given {
		for _, h := range have {
			if strings.HasPrefix(p, h) || strings.HasPrefix(h, p) {
				return overlap(p, h, "an existing")
			}
		}
		for _, g := range given[i+1:] {
			if strings.HasPrefix(p, g) || strings.HasPrefix(g, p) {
				return overlap(p, g, "another provided")
			}
		}
	}
	return ""
}

// maxNamedOverlap is the number of prefixes up to which the error names the pair
// that Redis names: finding it takes quadratic time.
const maxNamedOverlap = 1000

// prefixesOf returns the prefixes of a session, sorted.
func (t *tracker) prefixesOf(c *tracking) []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return slices.Clone(c.prefixes)
}

func (s *Session) startTracking(o *trackingOptions) {
	s.ownPushes()
	c := &tracking{session: s, bcast: o.bcast, optIn: o.optIn, optOut: o.optOut, noLoop: o.noLoop, redirect: o.redirect}
	s.srv.tracker.start(c, o.given)
	s.track = c
}

func (s *Session) stopTracking() {
	if s.track != nil {
		s.srv.tracker.stop(s.track)
		s.track = nil
	}
}

// remember returns what enters the keys of a command that is about to read, nil
// if there are none to enter.
func (s *Session) remember(node *Node, args [][]byte) func() {
	if !node.Spec.Flags.Has(command.ReadOnly) || node.Spec.Group == "scripting" {
		return nil
	}
	return s.rememberKeys(node, args)
}

func (s *Session) rememberKeys(node *Node, args [][]byte) func() {
	c := s.track
	if c.bcast || c.optIn && !c.caching || c.optOut && c.caching {
		return nil
	}
	keys, _ := node.Spec.AppendKeys(nil, args)
	if len(keys) == 0 {
		return nil
	}
	if node.Item.Data != nil && node.Item.Data.MayWait(args) {
		// Input that comes while it waits may move what its arguments stand in.
		args = slices.Clone(args)
		for _, k := range keys {
			args[k] = slices.Clone(args[k])
		}
	}
	return func() {
		for _, k := range keys {
			s.srv.tracker.remember(c, args[k])
		}
	}
}

// nestedOf returns what is told of the commands that a script runs, nil if the
// command runs none. It does for them what else happens on their way to the
// group: they are counted and shown to those who monitor, and with the first that
// reads, the keys that the script was given are entered, as Redis 7.0 does. It is
// called on the group's goroutine while the session waits for the unit.
func (s *Session) nestedOf(node *Node, args [][]byte) *fsm.Nested {
	if node.Spec.Group != "scripting" {
		return nil
	}
	var remember func()
	if s.track != nil {
		remember = s.rememberKeys(node, args)
	}
	return &fsm.Nested{After: s.afterNested, Before: func(cmd *fsm.Command, args [][]byte, db int) {
		spec := s.srv.specOf(&fsm.Op{Cmd: cmd})
		if spec == nil {
			return
		}
		s.observe(spec, 1, 0, false)
		if s.monitored() && spec.Flags&(command.Admin|command.SkipMonitor) == 0 {
			s.showFrom("lua", spec, args, db)
		}
		if remember != nil && spec.Flags.Has(command.ReadOnly) {
			remember()
		}
	}}
}

// napOf is how long DEBUG SLEEP of a script keeps the reply back: a script itself
// never waits, as others would wait with it.
func napOf(arg []byte) time.Duration {
	seconds, err := strconv.ParseFloat(string(arg), 64)
	if err != nil || !(seconds > 0 && seconds <= 60) {
		return 0
	}
	return time.Duration(seconds * float64(time.Second))
}

// afterNested counts what a script's command has led to. The session itself
// doesn't count the error again if the script fails with it.
func (s *Session) afterNested(args [][]byte, end fsm.NestedEnd, failure []byte) {
	node, _ := lookup(s.srv.opts.Table, args)
	var spec *command.Spec
	if node != nil {
		spec = node.Spec
	}
	if end == fsm.NestedOther {
		s.observe(spec, 1, 0, failure != nil)
		if failure == nil && len(args) == 3 && equalFold(args[0], "DEBUG") && equalFold(args[1], "SLEEP") {
			s.naps += napOf(args[2])
		}
	}
	if failure == nil {
		return
	}
	s.nestedError = append(s.nestedError[:0], failure...)
	s.srv.stats.countError(errorCode(failure))
	switch end {
	case fsm.NestedRefused:
		s.observeFailure(spec, false)
	case fsm.NestedRan:
		s.observeFailure(spec, true)
	}
}

// isClientCommand reports whether a command is CLIENT, which doesn't use up what
// CLIENT CACHING said.
func isClientCommand(spec *command.Spec) bool {
	return spec != nil && spec.Parent() != nil && spec.Parent().Name == "CLIENT"
}

// clientCaching implements CLIENT CACHING YES|NO.
func clientCaching(s *Session, args [][]byte) {
	c := s.track
	yes, no := bytes.EqualFold(args[2], []byte("YES")), bytes.EqualFold(args[2], []byte("NO"))
	switch {
	case c == nil:
		s.Error("ERR CLIENT CACHING can be called only when the client is in tracking mode with OPTIN or OPTOUT mode enabled")
	case yes && !c.optIn:
		s.Error("ERR CLIENT CACHING YES is only valid when tracking is enabled in OPTIN mode.")
	case no && !c.optOut:
		s.Error("ERR CLIENT CACHING NO is only valid when tracking is enabled in OPTOUT mode.")
	case !yes && !no:
		s.Error(errSyntax)
	default:
		c.caching = true
		s.OK()
	}
}

// redirection is what CLIENT GETREDIR and CLIENT LIST show.
func (s *Session) redirection() int64 {
	if s.track == nil {
		return -1
	}
	return s.track.redirect
}

// clientGetRedir implements CLIENT GETREDIR.
func clientGetRedir(s *Session, _ [][]byte) { s.Int(s.redirection()) }

// clientTrackingInfo implements CLIENT TRACKINGINFO.
func clientTrackingInfo(s *Session, _ [][]byte) {
	flags := []string{"off"}
	var prefixes []string
	if c := s.track; c != nil {
		flags[0] = "on"
		for _, f := range []struct {
			set  bool
			name string
		}{{c.bcast, "bcast"}, {c.optIn, "optin"}, {c.optIn && c.caching, "caching-yes"}, {c.optOut, "optout"},
			{c.optOut && c.caching, "caching-no"}, {c.noLoop, "noloop"}, {c.broken.Load(), "broken_redirect"}} {
			if f.set {
				flags = append(flags, f.name)
			}
		}
		prefixes = s.srv.tracker.prefixesOf(c)
	}
	s.Map(3)
	s.BulkString("flags")
	s.Set(len(flags))
	for _, f := range flags {
		s.BulkString(f)
	}
	s.BulkString("redirect")
	s.Int(s.redirection())
	s.BulkString("prefixes")
	s.Array(len(prefixes))
	for _, p := range prefixes {
		s.BulkString(p)
	}
}
