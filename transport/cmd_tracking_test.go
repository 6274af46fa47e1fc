package transport

import "testing"

// Replies observed on redis-server 7.0.15.
func TestTrackingOptions(t *testing.T) {
	s, addr := hearingServer(t)
	c := dial(t, addr)
	const notTracking = "-ERR CLIENT CACHING can be called only when the client is in tracking mode with OPTIN or OPTOUT mode enabled"
	const info = "client trackinginfo"
	for _, x := range []struct{ command, want string }{
		{"client tracking on redirect 999", "-ERR The client ID you want redirect to does not exist"},
		{"client tracking on redirect a", "-ERR value is not an integer or out of range"},
		{"client tracking on foo", "-ERR syntax error"},
		{"client tracking foo", "-ERR syntax error"},
		{"client tracking on bcast prefix", "-ERR syntax error"},
		{"client tracking", "-ERR wrong number of arguments for 'client|tracking' command"},
		{"client tracking on prefix a", "-ERR PREFIX option requires BCAST mode to be enabled"},
		{"client tracking on bcast optin", "-ERR OPTIN and OPTOUT are not compatible with BCAST"},
		{"client tracking on optin optout", "-ERR You can't specify both OPTIN mode and OPTOUT mode"},
		{"client caching yes", notTracking},
		{"client getredir", ":-1"},
		{info, "*[$flags *[$off] $redirect :-1 $prefixes *[]]"},
		{"client tracking on bcast prefix a prefix ab", "-ERR Prefix 'a' overlaps with another provided prefix 'ab'. Prefixes for a single client must not overlap."},
		{"client tracking on bcast prefix abc prefix b prefix ab", "-ERR Prefix 'abc' overlaps with another provided prefix 'ab'. Prefixes for a single client must not overlap."},
		{"client tracking on bcast prefix x prefix y", "+OK"},
		{"client tracking on bcast prefix xx", "-ERR Prefix 'xx' overlaps with an existing prefix 'x'. Prefixes for a single client must not overlap."},
		{"client tracking on bcast prefix x", "-ERR Prefix 'x' overlaps with an existing prefix 'x'. Prefixes for a single client must not overlap."},
		{"client tracking on", "-ERR You can't switch BCAST mode on/off before disabling tracking for this client, and then re-enabling it with a different mode."},
		{info, "*[$flags *[$on $bcast] $redirect :0 $prefixes *[$x $y]]"},
		{"client tracking on bcast", "+OK"},
		{info, "*[$flags *[$on $bcast] $redirect :0 $prefixes *[$ $x $y]]"},
		{"client tracking off", "+OK"},
		{"client tracking on optin noloop", "+OK"},
		{"client tracking on optout", "-ERR You can't switch OPTIN/OPTOUT mode before disabling tracking for this client, and then re-enabling it with a different mode."},
		{"client caching no", "-ERR CLIENT CACHING NO is only valid when tracking is enabled in OPTOUT mode."},
		{"client caching foo", "-ERR syntax error"},
		{"client caching yes", "+OK"},
		{info, "*[$flags *[$on $optin $caching-yes $noloop] $redirect :0 $prefixes *[]]"},
		{"get a", "_"},
		{"get b", "_"},
		{info, "*[$flags *[$on $optin $noloop] $redirect :0 $prefixes *[]]"},
		{"client getredir", ":0"},
	} {
		c.send(x.command)
		if got := c.value(); got != x.want {
			t.Errorf("%s\n got %s\nwant %s", x.command, got, x.want)
		}
	}
	if st := s.Stats().Tracking; st.Clients != 1 || st.Keys != 1 || st.Items != 1 || st.Prefixes != 0 {
		t.Errorf("figures: %+v", st)
	}
	c.Close()
	eventually(t, "nobody tracks", func() bool { return s.Stats().Tracking.Clients == 0 })
	if st := s.Stats().Tracking; st.Keys != 0 || st.Items != 0 {
		t.Errorf("left behind: %+v", st)
	}
}

// TestTrackingMessages goes through the modes one by one.
func TestTrackingMessages(t *testing.T) {
	s, addr := hearingServer(t)
	w := dial(t, addr)
	tracking := func(options string) *client {
		c := resp3(t, addr)
		c.values("client tracking on "+options, "+OK")
		return c
	}
	c := tracking("")
	c.values("get a; mget b c; exists d", "_", "*[_ _]", ":0")
	w.values("mset a 1 z 1; del b; set d 1; flushall", "+OK", ":0", "+OK", "+OK")
	for _, want := range []string{">[$invalidate *[$a]]", ">[$invalidate *[$d]]", ">[$invalidate _]"} {
		if v := c.value(); v != want {
			t.Fatalf("got %s, want %s", v, want)
		}
	}
	// The client's own writes count, behind their reply, unless it says otherwise.
	c.values("get k", "_")
	c.values("set k 1", "+OK", ">[$invalidate *[$k]]")
	c.values("multi; set m 1; get m; set m 2; exec", "+OK", "+QUEUED", "+QUEUED", "+QUEUED", "*[+OK $1 +OK]", ">[$invalidate *[$m]]")
	n := tracking("noloop")
	n.values("get k; get l; set k 2; ping", "$1", "_", "+OK", "+PONG")
	w.values("set l 1", "+OK")
	if v := n.value(); v != ">[$invalidate *[$l]]" {
		t.Fatal(v)
	}

	b := tracking("bcast prefix foo: prefix bar:")
	w.values("multi; set foo:2 1; set foo:1 1; set baz 1; set bar:1 1; exec", "+OK", "+QUEUED", "+QUEUED", "+QUEUED", "+QUEUED", "*[+OK +OK +OK +OK]")
	got := map[string]bool{b.value(): true, b.value(): true}
	if !got[">[$invalidate *[$foo:1 $foo:2]]"] || !got[">[$invalidate *[$bar:1]]"] {
		t.Errorf("got %v", got)
	}

	in := tracking("optin")
	in.values("get x1; client caching yes; multi; get x2; get x3; exec; get x4", "_", "+OK", "+OK", "+QUEUED", "+QUEUED", "*[_ _]", "_")
	out := tracking("optout")
	out.values("get y1; client caching no; get y2", "_", "+OK", "_")
	w.values("mset x1 1 x2 1 x3 1 x4 1 y1 1 y2 1", "+OK")
	if x2, x3, y1 := in.value(), in.value(), out.value(); x2 != ">[$invalidate *[$x2]]" || x3 != ">[$invalidate *[$x3]]" || y1 != ">[$invalidate *[$y1]]" {
		t.Errorf("got %s, %s, %s", x2, x3, y1)
	}
	in.values("ping", "+PONG")
	out.values("ping", "+PONG")

	// The table has an end.
	s.SetTrackingLimit(2)
	c.values("get t1; get t2; get t3", "_", "_", "_")
	if v := c.value(); v != ">[$invalidate *[$t1]]" && v != ">[$invalidate *[$t2]]" && v != ">[$invalidate *[$t3]]" {
		t.Error(v)
	}
	if keys := s.Stats().Tracking.Keys; keys > 2 {
		t.Errorf("%d keys in the table, want at most 2", keys)
	}
}
