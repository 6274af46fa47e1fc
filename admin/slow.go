package admin

import (
	"time"

	"github.com/quorate/quorate/command"
	"github.com/quorate/quorate/transport"
)

// Slow returns what sessions tell of slow commands: it feeds SLOWLOG and LATENCY.
func (a *Admin) Slow() transport.SlowObserver { return slowObserver{a} }

type slowObserver struct{ a *Admin }

// Wants is called for every unit of every client: two loads and two compares.
func (o slowObserver) Wants(took time.Duration) bool {
	s := o.a.Config.Current()
	log, latency := s.SlowlogLogSlowerThan, s.LatencyMonitorThreshold
	return log >= 0 && took.Microseconds() >= log || latency > 0 && took.Milliseconds() >= latency
}

func (o slowObserver) Slow(c transport.SlowCommand) {
	s := o.a.Config.Current()
	if t := s.SlowlogLogSlowerThan; t >= 0 && c.Took.Microseconds() >= t && !c.Spec.Flags.Has(command.SkipSlowlog) {
		o.a.slow.add(c, s.SlowlogMaxLen)
	}
	if t := s.LatencyMonitorThreshold; t > 0 && c.Took.Milliseconds() >= t && !c.Spec.Flags.Has(command.Blocking) {
		event := "command"
		if c.Spec.Flags.Has(command.Fast) {
			event = "fast-command"
		}
		o.a.latency.add(event, time.Now().Unix(), c.Took.Milliseconds())
	}
}
