// Package tool has the commands of the program that aren't the server: they work
// on files of a node that is stopped, or on a cluster as one of its clients.
package tool

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"slices"
)

// A Command is called as "quorate NAME [arguments]".
type Command struct {
	Name    string
	Usage   string // of its arguments
	Summary string
	// Run returns what went wrong in one line. It prints results to out, and what
	// is under way to progress. It returns early when ctx ends, leaving nothing half done.
	Run func(ctx context.Context, args []string, out, progress io.Writer) error
}

// commands are all of them, in the order of the help text.
func commands() []Command {
	return append(backupCommands(), logs)
}

// Find returns the command of a name.
func Find(name string) (Command, bool) {
	all := commands()
	i := slices.IndexFunc(all, func(c Command) bool { return c.Name == name })
	if i < 0 {
		return Command{}, false
	}
	return all[i], true
}

// Usage prints a line for each command.
func Usage(w io.Writer) {
	for _, c := range commands() {
		fmt.Fprintf(w, "       quorate %s %s\n", c.Name, c.Usage)
	}
}

// parse reads a command's flags and lets nothing stand behind them.
func parse(f *flag.FlagSet, args []string) error {
	f.SetOutput(io.Discard)
	if err := f.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return fmt.Errorf("quorate %s: %s", f.Name(), flagsOf(f))
		}
		return fmt.Errorf("quorate %s: %w; %s", f.Name(), err, flagsOf(f))
	}
	if f.NArg() > 0 {
		return fmt.Errorf("quorate %s: unexpected %q; %s", f.Name(), f.Arg(0), flagsOf(f))
	}
	return nil
}

// flagsOf lists flags and what they mean in one line.
func flagsOf(f *flag.FlagSet) string {
	text := "it takes"
	f.VisitAll(func(f *flag.Flag) {
		name, usage := flag.UnquoteUsage(f)
		text += fmt.Sprintf(" --%s %s (%s)", f.Name, name, usage)
	})
	return text
}
