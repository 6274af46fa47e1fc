package metrics

import (
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

func TestPage(t *testing.T) {
	m := New(func() []GroupFigures {
		return []GroupFigures{{Group: "1", State: "Leader", Term: 7, AppliedIndex: 42, Serving: true}}
	}, func() ServerFigures { return ServerFigures{Clients: 3} })
	m.Command("get").Observe(2, time.Millisecond, false)
	m.Command("set").Observe(1, time.Millisecond, true)
	m.LogWrite(time.Millisecond)
	w := httptest.NewRecorder()
	m.Handler().ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
	for _, line := range []string{
		`quorate_command_duration_seconds_count{command="get"} 2`,
		`quorate_command_errors_total{command="set"} 1`,
		`quorate_group_state{group="1",state="Leader"} 1`,
		`quorate_group_state{group="1",state="Follower"} 0`,
		`quorate_group_applied_index{group="1"} 42`,
		`quorate_log_write_duration_seconds_count 1`,
		`quorate_clients 3`,
	} {
		if !strings.Contains(w.Body.String(), line+"\n") {
			t.Errorf("the page lacks %s", line)
		}
	}
}
