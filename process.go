package main

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"syscall"

	"github.com/hashicorp/go-hclog"

	"github.com/quorate/quorate/config"
)

// daemonMark in the environment tells a process that it is the daemon.
const daemonMark = "QUORATE_DAEMON"

func isDaemon() bool { return os.Getenv(daemonMark) != "" }

// daemonize starts this program again in a session of its own and returns: a Go
// process can't fork.
func daemonize(s *config.Settings) error {
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer null.Close()
	path, err := os.Executable()
	if err != nil {
		return err
	}
	cmd := exec.Command(path, os.Args[1:]...)
	cmd.Env = append(os.Environ(), daemonMark+"=1")
	cmd.Stdin, cmd.Stdout, cmd.Stderr = null, null, null
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start in the background: %w", err)
	}
	return cmd.Process.Release()
}

// openLog opens the log as configured; its level follows CONFIG SET.
func openLog(cfg *config.Config) (hclog.Logger, func(), error) {
	s := cfg.Current()
	var out io.Writer = os.Stdout
	closeLog := func() {}
	if s.LogFile != "" {
		f, err := os.OpenFile(s.Path(s.LogFile), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o640)
		if err != nil {
			return nil, nil, fmt.Errorf("Can't open the log file: %w", err)
		}
		out, closeLog = f, func() { _ = f.Close() }
	}
	log := hclog.New(&hclog.LoggerOptions{Name: "quorate", Output: out, Level: logLevel(s.LogLevel),
		TimeFormat: "2006-01-02T15:04:05.000Z0700"})
	cfg.OnChange("loglevel", func(s *config.Settings) { log.SetLevel(logLevel(s.LogLevel)) })
	return log, closeLog, nil
}

// logLevel translates Redis's levels.
func logLevel(name string) hclog.Level {
	switch name {
	case "debug":
		return hclog.Trace
	case "verbose":
		return hclog.Debug
	case "warning":
		return hclog.Warn
	}
	return hclog.Info
}

// writePid writes the pidfile: the configured one, or Redis's default for a
// daemon. As in Redis a server goes on without one, but here the log says so.
func writePid(s *config.Settings, log hclog.Logger) (remove func()) {
	path := s.Path(s.PidFile)
	if path == "" {
		if !s.Daemonize {
			return func() {}
		}
		path = "/var/run/redis.pid"
	}
	if err := os.WriteFile(path, []byte(strconv.Itoa(os.Getpid())+"\n"), 0o644); err != nil {
		log.Warn("no pidfile", "error", err)
		return func() {}
	}
	return func() { _ = os.Remove(path) }
}
