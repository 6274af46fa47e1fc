package admin

import (
	"fmt"
	"net/http"
	"net/http/pprof"
	"time"

	"github.com/quorate/quorate/metrics"
	"github.com/quorate/quorate/slots/hashslot"
)

// Pages returns the server for machines: /metrics for Prometheus, /health for
// load balancers (200 while this node can serve or redirect every slot),
// /debug/pprof/ for whoever looks for the cost of something.
func (a *Admin) Pages(m *metrics.Metrics) *http.Server {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", m.Handler())
	mux.HandleFunc("GET /health", a.health)
	mux.HandleFunc("GET /debug/pprof/", pprof.Index)
	mux.HandleFunc("GET /debug/pprof/profile", pprof.Profile)
	return &http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second, WriteTimeout: 2 * time.Minute, MaxHeaderBytes: 16 << 10}
}

func (a *Admin) health(w http.ResponseWriter, _ *http.Request) {
	reason := ""
	if a.Node.Cluster() {
		if _, served := a.Node.Map().Assigned(); served != hashslot.Count {
			reason = fmt.Sprintf("%d of %d slots are served", served, hashslot.Count)
		}
	} else if !a.Node.Loading() && a.Node.Led()[0].Serving() == 0 {
		reason = "the group has not elected its leader yet"
	}
	if a.Node.Loading() {
		reason = "the data is being loaded"
	}
	if d := a.Node.Disk(); d != nil && d.Full() {
		reason = "the disk is full: writes are refused"
	}
	w.Header().Set("Content-Type", "text/plain")
	if reason != "" {
		w.WriteHeader(http.StatusServiceUnavailable)
		fmt.Fprintln(w, reason)
		return
	}
	fmt.Fprintln(w, "ok")
}
