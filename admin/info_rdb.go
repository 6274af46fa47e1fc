package admin

import (
	"fmt"
	"time"
)

// rdbFigures is what INFO tells about saves.
type rdbFigures struct {
	changes int64         // since the last
	running time.Duration // of the one in the background that runs; negative: none does
	failed  bool
	took    time.Duration // of the last one in the background; 0: there was none
}

func (a *Admin) rdbFigures() (r rdbFigures) {
	now := a.changes()
	r.failed, r.running = a.dumps.failing.Load(), -1
	a.dumps.mu.Lock()
	r.changes, r.took = now.since(a.dumps.changes), a.dumps.took
	if !a.dumps.began.IsZero() {
		r.running = time.Since(a.dumps.began)
	}
	a.dumps.mu.Unlock()
	return r
}

// infoRDB writes the lines about saves. What a fork would copy of the memory is
// here what had to be serialised out of turn because it was about to change.
func (a *Admin) infoRDB(f *fields) {
	r, d := a.rdbFigures(), &a.dumps
	keys, total, percent := d.progress.Keys.Load(), d.progress.Total.Load(), 0.0
	if total > 0 {
		percent = 100 * float64(keys) / float64(total)
	}
	f.add("current_cow_peak", d.progress.Peak.Load())
	f.add("current_cow_size", d.progress.Copied.Load())
	f.add("current_cow_size_age", 0)
	f.add("current_fork_perc", fmt.Sprintf("%.2f", percent))
	f.add("current_save_keys_processed", keys)
	f.add("current_save_keys_total", total)
	running, current, status, took := 0, int64(-1), "ok", int64(-1)
	if r.running >= 0 {
		running, current = 1, int64(r.running.Seconds())
	}
	if r.failed {
		status = "err"
	}
	if r.took > 0 {
		took = int64(r.took.Seconds())
	}
	d.mu.Lock()
	saves, copied := d.saves, d.copied
	d.mu.Unlock()
	loaded := a.lastLoad()
	f.add("rdb_changes_since_last_save", r.changes)
	f.add("rdb_bgsave_in_progress", running)
	f.add("rdb_last_save_time", a.lastSave().Unix())
	f.add("rdb_last_bgsave_status", status)
	f.add("rdb_last_bgsave_time_sec", took)
	f.add("rdb_current_bgsave_time_sec", current)
	f.add("rdb_saves", saves)
	f.add("rdb_last_cow_size", copied)
	f.add("rdb_last_load_keys_expired", loaded.Expired)
	f.add("rdb_last_load_keys_loaded", loaded.Keys)
}
