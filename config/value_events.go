package config

import (
	"errors"
	"strings"
)

// The letters of notify-keyspace-events in the order in which Redis 7.0 prints
// them. A stands for all of the first group.
const (
	eventsOfA    = "g$lshzxetd"
	eventsBeyond = "n"   // in force, but not printed, beside A
	eventsLast   = "KEm" // always printed
)

var errEvents = errors.New("Invalid event class character. Use 'Ag$lshzxeKEtmdn'.")

// events is notify-keyspace-events, kept in Redis's own order.
func events(at func(*Settings) *string) value {
	return scalar[string]{at: at, parse: parseEvents, format: formatEvents, file: Quote}
}

func formatEvents(s string) string {
	if rest, all := strings.CutPrefix(s, "A"); all {
		return "A" + strings.TrimPrefix(rest, eventsBeyond)
	}
	return s
}

func parseEvents(arg string) (string, error) {
	for _, c := range arg {
		if !strings.ContainsRune("A"+eventsOfA+eventsBeyond+eventsLast, c) {
			return "", errEvents
		}
	}
	all := strings.Contains(arg, "A")
	var classes, rest strings.Builder
	pick := func(to *strings.Builder, letters string) (complete bool) {
		n := to.Len()
		for _, c := range letters {
			if strings.ContainsRune(arg, c) {
				to.WriteRune(c)
			}
		}
		return to.Len()-n == len(letters)
	}
	if pick(&classes, eventsOfA) || all {
		classes.Reset()
		classes.WriteByte('A')
	}
	pick(&rest, eventsBeyond)
	pick(&rest, eventsLast)
	return classes.String() + rest.String(), nil
}
