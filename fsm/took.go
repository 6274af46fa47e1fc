package fsm

// How long commands take, for the slow log. It is what Redis measures, the
// execution alone: neither waiting for the quorum nor for others is in it. The
// clock decides nothing that is replicated.

// lapOps is how many commands of a pipeline are measured together: a look at the
// clock for each would cost a good part of what a small command does. They share
// their time, so a slow one brings up to so many others into the slow log.
const lapOps = 16

// Took returns how long the step took to execute, in ns, where the machine has a
// clock and the step was answered here.
func (o *Op) Took() int64 { return o.took }

// laps measures steps that run one after the other.
type laps struct {
	m     *Machine
	start int64
	from  int
}

func (m *Machine) startLaps() laps {
	l := laps{m: m}
	if m.clock != nil {
		l.start = m.clock()
	}
	return l
}

// done is called behind step i of ops.
func (l *laps) done(ops []Op, i int) {
	if l.m.clock == nil || i-l.from < lapOps-1 && i < len(ops)-1 {
		return
	}
	now := l.m.clock()
	for ; l.from <= i; l.from++ {
		ops[l.from].took = now - l.start
	}
	l.start = now
}
