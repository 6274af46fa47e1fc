package admin

import (
	"strings"

	"github.com/quorate/quorate/command"
	"github.com/quorate/quorate/transport"
)

// latencyCommand is LATENCY.
func (a *Admin) latencyCommand() *transport.Command {
	special := []string{"nondeterministic_output", "request_policy:all_nodes", "response_policy:special"}
	sub := func(name string, arity int, since, syntax, summary string, tips []string, run func(*transport.Session, [][]byte)) *transport.Command {
		return &transport.Command{Run: run, Spec: command.Spec{Name: name, Arity: arity,
			Flags: command.Admin | command.NoScript | command.Loading | command.Stale,
			Group: "server", Since: since, Syntax: syntax, Complexity: "O(1)", Summary: summary, Tips: tips}}
	}
	histogram := sub("HISTOGRAM", -2, "7.0.0", "[command [command ...]]", "Returns how long commands took, as histograms.", special, a.latencyHistogram)
	histogram.Complexity = "O(N), N: commands in the reply"
	return &transport.Command{
		Spec: command.Spec{Name: "LATENCY", Arity: -2, Group: "server", Since: "2.8.13", Complexity: "That of the subcommand.",
			Summary: "A container of the commands about latency."},
		Sub: []*transport.Command{
			sub("LATEST", 2, "2.8.13", "", "Returns the latest sample of every event.", special, a.latencyLatest),
			sub("HISTORY", 3, "2.8.13", "event", "Returns the samples of an event.", special, a.latencyHistory),
			sub("GRAPH", 3, "2.8.13", "event", "Draws the samples of an event.", special, a.latencyGraph),
			sub("DOCTOR", 2, "2.8.13", "", "Reports on all events.", special, a.latencyDoctor),
			sub("RESET", -2, "2.8.13", "[event [event ...]]", "Deletes the samples of events.",
				[]string{"request_policy:all_nodes", "response_policy:all_succeeded"}, a.latencyReset),
			histogram,
			{Run: latencyHelp, Spec: helpSpec("server", "2.8.13", command.Loading|command.Stale)},
		},
	}
}

// latencyHistogram implements LATENCY HISTOGRAM [command ...]: calls that took
// up to so many microseconds, for every bound at which there are more.
func (a *Admin) latencyHistogram(s *transport.Session, args [][]byte) {
	wanted := map[string]bool{}
	for _, arg := range args[2:] {
		wanted[strings.ToLower(string(arg))] = true
	}
	var shown []CommandFigures
	for _, c := range a.Counters.Commands() {
		parent, _, _ := strings.Cut(c.Name, "|")
		if c.Calls == 0 {
			continue // it was only rejected
		}
		if len(wanted) == 0 || wanted[c.Name] || wanted[parent] {
			shown = append(shown, c)
		}
	}
	s.Map(len(shown))
	for _, c := range shown {
		s.BulkString(c.Name)
		s.Map(2)
		s.BulkString("calls")
		s.Int(c.Calls)
		s.BulkString("histogram_usec")
		steps := 0
		for _, n := range c.Buckets {
			if n > 0 {
				steps++
			}
		}
		s.Map(steps)
		sum := int64(0)
		for i, n := range c.Buckets {
			if n > 0 {
				sum += n
				s.Int(bucketBound(i))
				s.Int(sum)
			}
		}
	}
}

func latencyHelp(s *transport.Session, _ [][]byte) {
	help(s, "LATENCY",
		"DOCTOR", "    Report on all events.",
		"GRAPH <event>", "    Draw the samples of an event.",
		"HISTORY <event>", "    Return the samples of an event: time and milliseconds.",
		"LATEST", "    Return the latest sample of every event.",
		"RESET [<event> ...]", "    Delete the samples of events (default: all).",
		"HISTOGRAM [COMMAND ...]", "    Return how long commands took, as cumulative histograms (default: all that were called).")
}
