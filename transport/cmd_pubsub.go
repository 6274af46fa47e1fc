package transport

import (
	"github.com/quorate/quorate/command"
	"github.com/quorate/quorate/resp"
	"github.com/quorate/quorate/slots/hashslot"
)

func pubsubCommands() []*Command {
	const listen = command.PubSub | command.NoScript | command.Loading | command.Stale
	const publishing = command.PubSub | command.Loading | command.Stale | command.Fast | command.MayReplicate
	spec := func(name string, arity int, flags command.Flags, since, summary, complexity, syntax string) command.Spec {
		return command.Spec{Name: name, Arity: arity, Flags: flags, Group: "pubsub", Since: since,
			Summary: summary, Complexity: complexity, Syntax: syntax}
	}
	shard := func(s command.Spec, keys []command.KeySpec) command.Spec {
		s.Keys = keys
		return s
	}
	of := func(kind int, run func(*Session, int, [][]byte)) func(*Session, [][]byte) {
		return func(s *Session, args [][]byte) { run(s, kind, args) }
	}
	const perName, perPattern = "O(N) where N is the number of names.", "O(N+M) where N is the number of the session's patterns and M that of all."
	one, all := command.FirstArg(command.KeyNotKey), command.AllArgs(command.KeyNotKey)
	return []*Command{
		{Run: publish, Spec: spec("PUBLISH", 3, publishing, "2.0.0", "Sends a message to the subscribers of a channel.",
			"O(N+M) where N is the number of subscribers and M the number of all patterns.", "channel message")},
		{Run: spublish, Spec: shard(spec("SPUBLISH", 3, publishing, "7.0.0", "Sends a message to the subscribers of a shard channel.",
			"O(N) where N is the number of subscribers.", "shardchannel message"), one)},
		{Run: of(channels, subscribe), Spec: spec("SUBSCRIBE", -2, listen, "2.0.0", "Subscribes to channels.",
			perName, "channel [channel ...]")},
		{Run: of(patterns, subscribe), Spec: spec("PSUBSCRIBE", -2, listen, "2.0.0", "Subscribes to all channels that match patterns.",
			perName, "pattern [pattern ...]")},
		{Run: of(shardChannels, subscribe), Spec: shard(spec("SSUBSCRIBE", -2, listen, "7.0.0", "Subscribes to shard channels.",
			perName, "shardchannel [shardchannel ...]"), all)},
		{Run: of(channels, unsubscribe), Spec: spec("UNSUBSCRIBE", -1, listen, "2.0.0", "Ends subscriptions to channels.",
			perName, "[channel [channel ...]]")},
		{Run: of(patterns, unsubscribe), Spec: spec("PUNSUBSCRIBE", -1, listen, "2.0.0", "Ends subscriptions to patterns.",
			perPattern, "[pattern [pattern ...]]")},
		{Run: of(shardChannels, unsubscribe), Spec: shard(spec("SUNSUBSCRIBE", -1, listen, "7.0.0", "Ends subscriptions to shard channels.",
			perName, "[shardchannel [shardchannel ...]]"), all)},
		pubsubContainer(),
	}
}

func pubsubContainer() *Command {
	sub := func(name string, arity int, since, summary, complexity, syntax string, run func(*Session, [][]byte)) *Command {
		return &Command{Run: run, Spec: command.Spec{Name: name, Arity: arity, Flags: command.PubSub | command.Loading | command.Stale,
			Group: "pubsub", Since: since, Summary: summary, Complexity: complexity, Syntax: syntax}}
	}
	names := func(kind int) func(*Session, [][]byte) {
		return func(s *Session, args [][]byte) { pubsubNames(s, kind, args) }
	}
	counts := func(kind int) func(*Session, [][]byte) {
		return func(s *Session, args [][]byte) { pubsubCounts(s, kind, args[2:]) }
	}
	const perName = "O(N) where N is the number of names."
	help := sub("HELP", 2, "6.2.0", "Explains the subcommands.", "O(1)", "", func(s *Session, _ [][]byte) { s.Help("PUBSUB", pubsubHelp) })
	help.Flags = command.Loading | command.Stale
	return &Command{
		Spec: command.Spec{Name: "PUBSUB", Arity: -2, Group: "pubsub", Since: "2.8.0",
			Summary: "Commands about subscriptions.", Complexity: "Depends on subcommand."},
		Sub: []*Command{
			sub("CHANNELS", -2, "2.8.0", "Lists the channels that have subscribers.", perName, "[pattern]", names(channels)),
			sub("NUMPAT", 2, "2.8.0", "Counts the patterns that have subscribers.", "O(1)", "",
				func(s *Session, _ [][]byte) { s.Int(int64(s.srv.hub.size(patterns))) }),
			sub("NUMSUB", -2, "2.8.0", "Counts the subscribers of channels.", perName, "[channel [channel ...]]", counts(channels)),
			sub("SHARDCHANNELS", -2, "7.0.0", "Lists the shard channels that have subscribers.", perName, "[pattern]", names(shardChannels)),
			sub("SHARDNUMSUB", -2, "7.0.0", "Counts the subscribers of shard channels.", perName,
				"[shardchannel [shardchannel ...]]", counts(shardChannels)),
			help,
		},
	}
}

var pubsubHelp = []string{
	"CHANNELS [<pattern>]",
	"    List the channels that have subscribers, or those that match a pattern.",
	"NUMPAT",
	"    Count the patterns that have subscribers.",
	"NUMSUB [<channel> ...]",
	"    Count the subscribers of each channel. Sessions that",
	"    subscribe to a pattern that matches it don't count.",
	"SHARDCHANNELS [<pattern>]",
	"    List the shard channels that have subscribers, or those that match a pattern.",
	"SHARDNUMSUB [<shardchannel> ...]",
	"    Count the subscribers of each shard channel.",
}

// errSubscribed is the reply to a command that a RESP2 session with
// subscriptions may not send.
func errSubscribed(spec *command.Spec) string {
	return "ERR Can't execute '" + spec.FullName() +
		"': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET are allowed in this context"
}

// allowedSubscribed reports whether a RESP2 session may send the command while
// it has subscriptions.
func allowedSubscribed(spec *command.Spec) bool {
	if spec.Parent() != nil {
		return false
	}
	switch spec.Name {
	case "SUBSCRIBE", "PSUBSCRIBE", "SSUBSCRIBE", "UNSUBSCRIBE", "PUNSUBSCRIBE", "SUNSUBSCRIBE", "PING", "QUIT", "RESET":
		return true
	}
	return false
}

// publish implements PUBLISH channel message. As in Redis Cluster the reply
// counts the receivers at this node only.
func publish(s *Session, args [][]byte) {
	if s.srv.opts.Spread != nil {
		if err := s.srv.opts.Spread(args[1], args[2]); err != nil {
			s.Error("ERR " + err.Error())
			return
		}
	}
	n := s.srv.hub.publish(channels, args[1], args[2])
	s.srv.feedMessage(s.db, args)
	s.drainOwn()
	s.Int(n)
}

// spublish implements SPUBLISH shardchannel message. All subscribers of a shard
// channel are where its slot is served: here.
func spublish(s *Session, args [][]byte) {
	if !s.hasSlot(args[1:2]) {
		return
	}
	n := s.srv.hub.publish(shardChannels, args[1], args[2])
	s.drainOwn()
	s.Int(n)
}

// drainOwn puts messages that came so far before the reply of the running
// command, unless that would tear the reply of EXEC apart: then they follow it.
func (s *Session) drainOwn() {
	if !s.executing {
		s.drain()
	}
}

// hasSlot reports whether this node serves the one slot of shard channels. If
// not, it has replied why.
func (s *Session) hasSlot(names [][]byte) bool {
	router := s.srv.opts.Router
	if !router.Cluster() || len(names) == 0 {
		return true
	}
	slot := hashslot.Of(names[0])
	for _, n := range names[1:] {
		if hashslot.Of(n) != slot {
			s.Error(errCrossSlot)
			return false
		}
	}
	if g, redirect := router.Route(int(slot)); g == nil {
		s.Error(redirect)
		return false
	}
	return true
}

// subscribe implements SUBSCRIBE, PSUBSCRIBE and SSUBSCRIBE name [name ...].
func subscribe(s *Session, kind int, args [][]byte) {
	if kind == shardChannels && !s.hasSlot(args[1:]) {
		return
	}
	s.ownPushes()
	for _, a := range args[1:] {
		name := string(a)
		s.srv.hub.subscribe(s, kind, name)
		s.pushReply(func(w *resp.Writer) { writeSubscription(w, subscribed[kind], name, s.subs.shown(kind)) })
	}
}

// unsubscribe implements UNSUBSCRIBE, PUNSUBSCRIBE and SUNSUBSCRIBE [name ...].
func unsubscribe(s *Session, kind int, args [][]byte) {
	if kind == shardChannels && !s.hasSlot(args[1:]) {
		return
	}
	var names []string
	for _, a := range args[1:] {
		names = append(names, string(a))
	}
	if len(args) == 1 {
		if names = s.srv.hub.all(s, kind); len(names) == 0 {
			s.pushReply(func(w *resp.Writer) {
				w.Push(3)
				w.BulkString(unsubscribed[kind])
				w.Null()
				w.Int(s.subs.shown(kind))
			})
			return
		}
	}
	for _, name := range names {
		s.srv.hub.unsubscribe(s, kind, name)
		s.drainOwn() // nothing comes from a channel after its end was told
		s.pushReply(func(w *resp.Writer) { writeSubscription(w, unsubscribed[kind], name, s.subs.shown(kind)) })
	}
}

// pubsubNames implements PUBSUB CHANNELS and SHARDCHANNELS [pattern].
func pubsubNames(s *Session, kind int, args [][]byte) {
	var pattern []byte
	switch len(args) {
	case 2:
	case 3:
		pattern = args[2]
	default:
		s.Error("ERR unknown subcommand or wrong number of arguments for '" + cString(args[1], 128) + "'. Try PUBSUB HELP.")
		return
	}
	found := s.srv.hub.active(kind, pattern)
	s.Array(len(found))
	for _, name := range found {
		s.BulkString(name)
	}
}

// pubsubCounts implements PUBSUB NUMSUB and SHARDNUMSUB [name ...].
func pubsubCounts(s *Session, kind int, names [][]byte) {
	s.Array(2 * len(names))
	for _, n := range names {
		s.Bulk(n)
		s.Int(s.srv.hub.subscribers(kind, n))
	}
}
