package tool

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"maps"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/quorate/quorate/tool/backup"
)

// backup, restore, verify: docs/backup.md.

const accessUsage = "[-h HOST -p PORT] [-a PASSWORD] [--user NAME] [--timeout SECONDS]"

func backupCommands() []Command {
	return []Command{
		{Name: "backup", Usage: "--from HOST:PORT --to FILE.rdb|DIR [--force] [--users] " + accessUsage, Run: takeBackup,
			Summary: "Takes a backup of a running server or cluster."},
		{Name: "restore", Usage: "--from FILE.rdb|DIR --to HOST:PORT [--replace] [--flush] [--db N] [--users] [--verify] " + accessUsage, Run: restoreBackup,
			Summary: "Puts a backup or an RDB file into a running server or cluster."},
		{Name: "verify", Usage: "--from FILE.rdb|DIR [--against HOST:PORT] [--db N] " + accessUsage, Run: verifyBackup,
			Summary: "Checks a backup or an RDB file, and compares it with a running server or cluster."},
	}
}

// accessFlags are the flags about the server, spelt as redis-cli does.
type accessFlags struct {
	addr, host, user, password string
	port                       int
	timeout                    float64
}

// access adds the flags to f; name is the one that takes host and port together.
func access(f *flag.FlagSet, name string) *accessFlags {
	a := &accessFlags{}
	f.StringVar(&a.addr, name, "", "`host:port` of the server or of one node of the cluster")
	f.StringVar(&a.host, "h", "127.0.0.1", "`host`")
	f.IntVar(&a.port, "p", 6379, "`port`")
	f.StringVar(&a.password, "a", os.Getenv("REDISCLI_AUTH"), "`password`, else REDISCLI_AUTH of the environment")
	f.StringVar(&a.user, "user", "", "`name` of the user")
	f.Float64Var(&a.timeout, "timeout", 120, "`seconds` for which nothing may move on a connection")
	return a
}

// access returns what the flags say.
func (a *accessFlags) access() (backup.Access, error) {
	to := backup.Access{Addr: cmp.Or(a.addr, net.JoinHostPort(a.host, strconv.Itoa(a.port))), User: a.user, Password: a.password,
		Timeout: time.Duration(a.timeout * float64(time.Second))}
	if _, _, err := net.SplitHostPort(to.Addr); err != nil {
		return to, err
	}
	if a.timeout <= 0 {
		return to, errors.New("--timeout must be above 0")
	}
	if a.user != "" && a.password == "" {
		return to, errors.New("--user needs a password: -a, or REDISCLI_AUTH in the environment")
	}
	return to, nil
}

// need returns an error for a flag that must be there.
func need(f *flag.FlagSet, names ...string) error {
	for _, name := range names {
		if f.Lookup(name).Value.String() == "" {
			return fmt.Errorf("quorate %s: --%s is missing; %s", f.Name(), name, flagsOf(f))
		}
	}
	return nil
}

// given reports whether one of the flags is among the arguments.
func given(f *flag.FlagSet, names ...string) (found bool) {
	f.Visit(func(g *flag.Flag) { found = found || slices.Contains(names, g.Name) })
	return found
}

func takeBackup(ctx context.Context, args []string, out, progress io.Writer) error {
	f := flag.NewFlagSet("backup", flag.ContinueOnError)
	from := access(f, "from")
	to := f.String("to", "", "`path`: one file if it ends in .rdb, else a directory")
	force := f.Bool("force", false, "replaces what is there")
	users := f.Bool("users", false, "takes the users of ACL too, with the hashes of their passwords")
	if err := parse(f, args); err != nil {
		return err
	}
	if err := need(f, "to"); err != nil {
		return err
	}
	a, err := from.access()
	if err != nil {
		return fmt.Errorf("quorate backup: %w", err)
	}
	m, err := backup.Take(ctx, backup.TakeOptions{From: a, To: *to, Force: *force, Users: *users, Progress: progress})
	if err != nil {
		return fmt.Errorf("quorate backup: %w", err)
	}
	fmt.Fprintf(out, "backup %s\n", *to)
	printGroups(out, m)
	printUsers(out, m)
	fmt.Fprintf(out, "keys: %d, of which %d expire\nsize: %s\nbackup took: %s\n", m.Keys, m.Expires, bytesText(m.Bytes), millis(m.TookMs))
	return nil
}

func printUsers(out io.Writer, m *backup.Manifest) {
	if m.Users != nil {
		fmt.Fprintf(out, "users: %d\n", m.Users.Users)
	}
}

func printGroups(out io.Writer, m *backup.Manifest) {
	for _, g := range m.Groups {
		fmt.Fprintf(out, "group %d: slots %s at index %d of term %d, keys: %d, size: %s\n", g.Group, g.Slots, g.Index, g.Term, g.Keys, bytesText(g.Bytes))
	}
}

func restoreBackup(ctx context.Context, args []string, out, progress io.Writer) error {
	f := flag.NewFlagSet("restore", flag.ContinueOnError)
	to := access(f, "to")
	from := f.String("from", "", "`path` of a backup or an RDB file")
	replace := f.Bool("replace", false, "replaces keys, function libraries and users that are there")
	flush := f.Bool("flush", false, "deletes all keys and function libraries first")
	db := f.Int("db", -1, "`number` of the only database whose keys are taken")
	users := f.Bool("users", false, "restores the users of ACL, too")
	verify := f.Bool("verify", false, "compares all keys afterwards")
	if err := parse(f, args); err != nil {
		return err
	}
	if err := need(f, "from"); err != nil {
		return err
	}
	if !given(f, "to", "h", "p") {
		return fmt.Errorf("quorate restore: where to? Neither --to nor -h or -p is there; %s", flagsOf(f))
	}
	a, err := to.access()
	if err != nil {
		return fmt.Errorf("quorate restore: %w", err)
	}
	r, err := backup.Restore(ctx, backup.RestoreOptions{From: *from, To: a, Replace: *replace, Flush: *flush, Users: *users, DB: *db, Progress: progress})
	if err != nil {
		if r != nil && r.Written > 0 {
			err = fmt.Errorf("%w (%d keys were restored before: --replace restores them again)", err, r.Written)
		}
		return fmt.Errorf("quorate restore: %w", err)
	}
	fmt.Fprintf(out, "restored %d of %d keys to %s\n", r.Written, r.Keys, a.Addr)
	if r.Pieces > 0 {
		fmt.Fprintf(out, "in pieces, as they are large: %d\n", r.Pieces)
	}
	printBackupTook(out, r.Manifest)
	fmt.Fprintf(out, "restore took: %s\nsize: %s\n", millis(r.Took.Milliseconds()), bytesText(r.Bytes))
	failed := busy(r)
	if *verify {
		v, err := backup.Verify(ctx, backup.VerifyOptions{From: *from, Against: &a, DB: *db, Progress: progress})
		if err != nil {
			return errors.Join(failed, fmt.Errorf("quorate restore: %w", err))
		}
		failed = errors.Join(failed, printComparison(out, "restore", v.Compared))
	}
	switch {
	case !*users:
		return failed
	case failed != nil:
		return errors.Join(failed, errors.New("quorate restore: users are restored only when all else is in order: they stay as they are"))
	}
	return restoreUsers(ctx, out, r)
}

// restoreUsers is the last step: with it the access may end.
func restoreUsers(ctx context.Context, out io.Writer, r *backup.Restored) error {
	u, err := r.RestoreUsers(ctx)
	fmt.Fprintf(out, "users: %d, of whom %d were set and %d were there\n", u.Users, u.Set, u.There)
	if err != nil {
		return fmt.Errorf("quorate restore: %w", err)
	}
	if u.Set > 0 && u.Forgets {
		fmt.Fprintln(out, "the server forgets them at its end, unless ACL SAVE (with an aclfile) or CONFIG REWRITE follows")
	}
	if len(u.Busy) > 0 {
		err = fmt.Errorf("quorate restore: users that have come meanwhile, and not as in the backup: %s; --replace replaces them", strings.Join(u.Busy, ", "))
	}
	if len(u.Differ) > 0 {
		err = errors.Join(err, fmt.Errorf("quorate restore: users that were set, and whom the server shows otherwise than the backup: %s", strings.Join(u.Differ, ", ")))
	}
	return err
}

// busy returns an error if something was there already.
func busy(r *backup.Restored) error {
	if r.Busy == 0 && r.BusyLibs == 0 {
		return nil
	}
	return fmt.Errorf("quorate restore: not restored, as they are there already: %d keys, %d function libraries; --replace replaces them", r.Busy, r.BusyLibs)
}

func verifyBackup(ctx context.Context, args []string, out, progress io.Writer) error {
	f := flag.NewFlagSet("verify", flag.ContinueOnError)
	against := access(f, "against")
	from := f.String("from", "", "`path` of a backup or an RDB file")
	db := f.Int("db", -1, "`number` of the only database whose keys are compared")
	if err := parse(f, args); err != nil {
		return err
	}
	if err := need(f, "from"); err != nil {
		return err
	}
	o := backup.VerifyOptions{From: *from, DB: *db, Users: true, Progress: progress}
	if given(f, "against", "h", "p") {
		a, err := against.access()
		if err != nil {
			return fmt.Errorf("quorate verify: %w", err)
		}
		o.Against = &a
	}
	v, err := backup.Verify(ctx, o)
	if err != nil {
		return fmt.Errorf("quorate verify: %w", err)
	}
	fmt.Fprintf(out, "%s is sound: every value was decoded, all checksums are right\n", *from)
	if v.Manifest != nil {
		fmt.Fprintf(out, "began: %s\n", v.Manifest.Began.Format(time.RFC3339))
		printGroups(out, v.Manifest)
		printUsers(out, v.Manifest)
	}
	c := v.Contents
	fmt.Fprintf(out, "keys: %d, of which %d expire\n", c.Keys, c.Expires)
	for _, kind := range slices.Sorted(maps.Keys(c.ByType)) {
		fmt.Fprintf(out, "  %s: %d\n", kind, c.ByType[kind])
	}
	if len(c.Databases) > 0 {
		fmt.Fprintf(out, "databases: %s\n", strings.Trim(fmt.Sprint(c.Databases), "[]"))
	}
	fmt.Fprintf(out, "function libraries: %d\n", len(c.Libraries))
	printBackupTook(out, v.Manifest)
	fmt.Fprintf(out, "size: %s\nverify took: %s\n", bytesText(v.Bytes), millis(v.Took.Milliseconds()))
	if v.Compared == nil {
		return nil
	}
	return printComparison(out, "verify", v.Compared)
}

func printBackupTook(out io.Writer, m *backup.Manifest) {
	if m == nil {
		fmt.Fprintln(out, "backup took: not known, the file is no backup of Quorate")
	} else {
		fmt.Fprintf(out, "backup took: %s\n", millis(m.TookMs))
	}
}

// printComparison prints what was found on the server; what isn't there as it was is an error.
func printComparison(out io.Writer, name string, c *backup.Comparison) error {
	answer := "yes"
	if !c.Same() {
		answer = "no"
	}
	fmt.Fprintf(out, "all data is there: %s\n  looked for: %d\n  equal: %d\n  missing: %d\n  different: %d\n  with another expiry: %d\n  expired since: %d\n"+
		"  extra: %d\n  function libraries missing or different: %d\n",
		answer, c.Keys, c.Equal, c.Missing, c.Different, c.Times, c.Expired, c.Extra, c.Libraries)
	for _, e := range c.Examples {
		fmt.Fprintf(out, "  for example %s\n", e)
	}
	if c.Same() {
		return nil
	}
	return fmt.Errorf("quorate %s: the server doesn't have everything as it was (where clients write, keys that have changed since are to be expected)", name)
}

func millis(n int64) string { return (time.Duration(n) * time.Millisecond).String() }

func bytesText(n int64) string { return fmt.Sprintf("%d bytes (%s)", n, backup.Size(n)) }
