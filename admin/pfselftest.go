package admin

import (
	"math/rand/v2"

	"github.com/quorate/quorate/command"
	"github.com/quorate/quorate/fsm/hyperloglog"
	"github.com/quorate/quorate/transport"
)

func (a *Admin) pfselftestCommand() *transport.Command {
	return &transport.Command{Run: a.pfselftest, Spec: command.Spec{
		Name: "PFSELFTEST", Arity: 1, Flags: command.Admin, ACL: command.HyperLogLog,
		Group: "hyperloglog", Since: "2.8.9", Complexity: "O(1), a fraction of a second",
		Summary: "Tests the HyperLogLog implementation.",
	}}
}

// pfselftest implements PFSELFTEST. It runs on the session's goroutine and needs
// no data: nobody else waits for it. One at a time: it takes a processor.
func (a *Admin) pfselftest(s *transport.Session, _ [][]byte) {
	a.selftest.Lock()
	defer a.selftest.Unlock()
	if err := hyperloglog.SelfTest(rand.Uint64(), int(a.Config.Current().HLLSparseMaxBytes)); err != nil {
		s.Error("ERR TESTFAILED " + err.Error())
		return
	}
	s.OK()
}
