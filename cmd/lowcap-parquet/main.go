// Command lowcap-parquet writes the finished segments of a file sink as Parquet files, partitioned by type and day. It is
// a program of its own, because the library would make lowcap-cdc a fifth larger and share its memory.
//
//	lowcap-parquet [-follow] DIR OUT
//	lowcap-parquet -back OUT NEWDIR
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"time"

	"lowcap-cdc/sink"
	"lowcap-cdc/sink/file"
)

const (
	exitFailed = 1 // trying again may help
	exitUsage  = 2
	exitRepair = 3 // an operator has to act first

	lookEvery = time.Second
)

const usage = `lowcap-parquet [-follow] DIR OUT
lowcap-parquet -back OUT NEWDIR

Writes each finished segment of the file sink in DIR as OUT/type=TYPE/day=DAY/SEGMENT.parquet, once. It may be killed and
started again at any time.

  -follow  go on with segments that are finished later
  -back    the other way: write the events of the Parquet files in OUT into a new file sink, which lowcap-cdc report, trades,
           audit and replay read with --sink file:NEWDIR
`

func main() { os.Exit(run(os.Args[1:], os.Stdout, os.Stderr)) }

// run runs a command line and returns its exit code.
func run(args []string, out, errOut io.Writer) int {
	flags := flag.NewFlagSet("lowcap-parquet", flag.ContinueOnError)
	flags.SetOutput(errOut)
	flags.Usage = func() { fmt.Fprint(errOut, usage) } //nolint:errcheck // nobody is left to tell
	follow, isBack := flags.Bool("follow", false, ""), flags.Bool("back", false, "")
	switch err := flags.Parse(args); {
	case errors.Is(err, flag.ErrHelp):
		return 0
	case err != nil:
		return exitUsage
	case flags.NArg() != 2, *follow && *isBack:
		flags.Usage()
		return exitUsage
	}
	work := func() error { return convert(flags.Arg(0), flags.Arg(1), *follow, out) }
	if *isBack {
		work = func() error { return back(flags.Arg(0), flags.Arg(1), out) }
	}
	if err := work(); err != nil {
		fmt.Fprintln(errOut, "lowcap-parquet:", err)
		if sink.IsPermanent(err) {
			return exitRepair
		}
		return exitFailed
	}
	return 0
}

// convert writes what is not written yet, and with follow whatever comes until it is killed.
func convert(dir, to string, follow bool, out io.Writer) error {
	from, err := file.New(dir, file.Options{})
	if err != nil {
		return err
	}
	target, err := openTarget(to)
	if err != nil {
		return err
	}
	defer target.close()
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	for {
		if err := convertNew(from, target, out); err != nil || !follow {
			return err
		}
		<-tick.C
	}
}

// convertNew writes the segments that are not written yet.
func convertNew(from *file.Sink, to *target, out io.Writer) error {
	segments, removed, err := from.Segments()
	if err != nil {
		return err
	}
	if removed > to.removed {
		fmt.Fprintf(out, "%d of the oldest segments have been removed; what was not written before stays unwritten\n", removed)
		to.removed = removed
	}
	for _, s := range segments {
		done, err := to.has(s)
		if err != nil {
			return err
		}
		if done {
			continue
		}
		files, err := to.write(context.Background(), from, s)
		if err != nil {
			return fmt.Errorf("write %s as Parquet: %w", s.File, err)
		}
		fmt.Fprintf(out, "%s: %d events in %d files\n", s.File, s.Events, files)
	}
	return nil
}
