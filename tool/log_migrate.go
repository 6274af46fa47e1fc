package tool

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/quorate/quorate/config"
	"github.com/quorate/quorate/node"
)

// logMigrate moves a node's log from one store to the other.
var logMigrate = Command{
	Name: "migrate", Usage: "--dir D --to shared|boltdb", Summary: "move the log of a stopped node to the other log store",
	Run: func(ctx context.Context, args []string, out, progress io.Writer) error {
		f := flag.NewFlagSet("log migrate", flag.ContinueOnError)
		dir := f.String("dir", "", "the server's `dir`")
		to := f.String("to", "", "the new `kind`: shared or boltdb")
		if err := parse(f, args); err != nil {
			return err
		}
		if *dir == "" || *to == "" {
			return fmt.Errorf("quorate log migrate: --dir and --to are needed; %s", flagsOf(f))
		}
		data := *dir
		if _, err := os.Stat(filepath.Join(data, "node.json")); errors.Is(err, os.ErrNotExist) {
			data = filepath.Join(data, config.DataName)
		}
		if err := node.MigrateLog(ctx, data, *to, progress); err != nil {
			return fmt.Errorf("quorate log migrate: %w", err)
		}
		_, err := fmt.Fprintf(out, "The log is in %s now. Start the node with quorate-log-store %s.\n", *to, *to)
		return err
	},
}
