package main

import (
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/alecthomas/kong"

	"lowcap-cdc/cdc/pg"
	"lowcap-cdc/sink"
)

// The exit codes. They are part of the command line's contract and stand in its help.
const (
	exitDone   = 0 // done, or stopped as told
	exitFailed = 1 // failed; trying again may help
	exitUsage  = 2 // the command line or the configuration is wrong
	exitRepair = 3 // an operator must repair something first
)

const description = `Publishes the changes of token_timeframe_blocks and lowcap_positions as typed events, each exactly once and in order.

Exit codes: 0 done or stopped as told, 1 failed and worth another try, 2 wrong usage or configuration, 3 something must be repaired first (run: lowcap-cdc check).`

// cli is the command line; its embedded settings are flags, environment variables and keys of the configuration file
// alike.
type cli struct {
	Run        runCommand        `cmd:"" help:"Read changes and publish events until told to stop. A first start does what init does."`
	Init       initCommand       `cmd:"" help:"Create publication and topics. Does nothing where they are there already."`
	Check      checkCommand      `cmd:"" help:"Check every precondition of Postgres and the sink; say what repairs each that fails."`
	Status     statusCommand     `cmd:"" help:"How everything stands, from Postgres and the sink; no running instance is needed."`
	Tail       tailCommand       `cmd:"" help:"Print committed events, one readable line each."`
	Audit      auditCommand      `cmd:"" help:"What happened to a token, or whether the sink is whole."`
	Reconcile  reconcileCommand  `cmd:"" help:"After a lost slot: new slot and snapshot; publish the differences and one stream.gap."`
	Replay     replayCommand     `cmd:"" help:"Copy committed events to another sink, unchanged."`
	Notify     notifyCommand     `cmd:"" help:"Post exits, gaps and other severe events to Alertmanager, a webhook or Slack, each at least once."`
	Teardown   teardownCommand   `cmd:"" help:"Drop slot and publication, after a question; say what stays."`
	Probe      probeCommand      `cmd:"" help:"Ask a running instance on this machine whether it is alive; exit 0 or 1."`
	Completion completionCommand `cmd:"" help:"Print the script that makes a shell complete this command line."`
	Version    versionCommand    `cmd:"" help:"Print the version."`

	Settings `embed:""`
}

// usageError is a mistake in the command line or the configuration.
type usageError struct{ err error }

func (e *usageError) Error() string { return e.err.Error() }
func (e *usageError) Unwrap() error { return e.err }

// streams is what a verb reads from and writes to.
type streams struct {
	in       io.Reader
	out, err io.Writer
}

// run runs a command line and returns its exit code.
func run(args []string, out, errOut io.Writer) int {
	var c cli
	exit := -1
	parser, err := newParser(&c, kong.Writers(out, errOut), kong.Exit(func(code int) { exit = code }))
	if err != nil {
		fmt.Fprintln(errOut, "lowcap-cdc:", err)
		return exitUsage
	}
	ctx, err := parser.Parse(args)
	if exit >= 0 {
		return exit // --help has been printed
	}
	if err != nil {
		fmt.Fprintf(errOut, "lowcap-cdc: %s; run: lowcap-cdc --help\n", err)
		return exitUsage
	}
	if err := ctx.Run(&c.Settings, &streams{os.Stdin, out, errOut}); err != nil {
		fmt.Fprintln(errOut, "lowcap-cdc:", err)
		return exitCode(err)
	}
	return exitDone
}

// newParser returns the parser of a command line.
func newParser(c *cli, options ...kong.Option) (*kong.Kong, error) {
	return kong.New(c, append(options, kong.Name("lowcap-cdc"), kong.Description(description), kong.DefaultEnvars("LOWCAP_CDC"),
		kong.Configuration(loadFile), kong.ConfigureHelp(kong.HelpOptions{Compact: true}))...)
}

// errNotReady is what check ends with when a precondition fails; its lines have said which.
var errNotReady = errors.New("not ready")

func exitCode(err error) int {
	var usage *usageError
	switch {
	case errors.As(err, &usage):
		return exitUsage
	case isPermanent(err):
		return exitRepair
	}
	return exitFailed
}

// isPermanent reports whether an error stays until an operator has acted.
func isPermanent(err error) bool {
	return errors.Is(err, errNotReady) || pg.IsPermanent(err) || sink.IsPermanent(err) || errors.Is(err, os.ErrPermission)
}
