package tool

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
)

// logCommands are the words behind "quorate log".
func logCommands() []Command {
	return []Command{logDump, logExport, logMigrate}
}

// logs is the command "log": it hands over to the one that its first word names.
var logs = Command{
	Name: "log", Usage: "dump|export|migrate [arguments]", Summary: "work on the log of a node that is stopped",
	Run: func(ctx context.Context, args []string, out, progress io.Writer) error {
		all := logCommands()
		if len(args) > 0 {
			if i := slices.IndexFunc(all, func(c Command) bool { return c.Name == args[0] }); i >= 0 {
				return all[i].Run(ctx, args[1:], out, progress)
			}
		}
		var usage []string
		for _, c := range all {
			usage = append(usage, fmt.Sprintf("quorate log %s %s", c.Name, c.Usage))
		}
		return fmt.Errorf("usage: %s", strings.Join(usage, ", "))
	},
}
