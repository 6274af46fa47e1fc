package config

import "testing"

// Observed on redis-server 7.0.15: what CONFIG GET prints after CONFIG SET.
func TestKeyspaceEvents(t *testing.T) {
	c, err := Load(Invocation{}, nil, Options{})
	if err != nil {
		t.Fatal(err)
	}
	for _, x := range []struct{ set, get, inForce string }{
		{"KEA", "AKE", "AKE"}, {"Kg", "gK", "gK"}, {"E$lshzxetdmn", "$lshzxetdnEm", "$lshzxetdnEm"}, {"KEA$", "AKE", "AKE"},
		{"g", "g", "g"}, {"A", "A", "A"}, {"Kgn", "gnK", "gnK"}, {"", "", ""}, {"Km", "Km", "Km"}, {"El", "lE", "lE"},
		{"KEg$lshzxetd", "AKE", "AKE"}, {"KEAnm", "AKEm", "AnKEm"},
	} {
		if err := c.Set([]string{"notify-keyspace-events", x.set}, true); err != nil {
			t.Errorf("%q: %v", x.set, err)
		}
		if got := mustFind("notify-keyspace-events").value.get(c.Current()); got != x.get {
			t.Errorf("%q is shown as %q, want %q", x.set, got, x.get)
		}
		if got := c.Current().NotifyKeyspaceEvents; got != x.inForce {
			t.Errorf("%q is in force as %q, want %q", x.set, got, x.inForce)
		}
	}
	const want = "Invalid event class character. Use 'Ag$lshzxeKEtmdn'."
	if err := c.Set([]string{"notify-keyspace-events", "Kfoo"}, true); err == nil || err.Error()[len(err.Error())-len(want):] != want {
		t.Errorf("Kfoo: %v", err)
	}
}
