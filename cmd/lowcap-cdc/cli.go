package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"reflect"
	"slices"
	"strings"

	"github.com/alecthomas/kong"

	"lowcap-cdc/cmd/lowcap-cdc/internal/notify"
	"lowcap-cdc/cmd/lowcap-cdc/internal/page"
	"lowcap-cdc/cmd/lowcap-cdc/internal/settings"
)

const description = `Publishes the changes of token_timeframe_blocks and lowcap_positions as typed events, each exactly once and in order.

Exit codes: 0 done or stopped as told, 1 failed and worth another try, 2 wrong usage or configuration, 3 something must be repaired first (run: lowcap-cdc check).`

// cli is the command line; its embedded settings are flags, environment variables and keys of the configuration file
// alike.
type cli struct {
	Run        runCommand        `cmd:"" help:"Read changes and publish events until told to stop. A first start does what init does."`
	Init       initCommand       `cmd:"" help:"Create publication and topics. Does nothing where they are there already."`
	Check      checkCommand      `cmd:"" help:"Check every precondition of Postgres and the sink; say what repairs each that fails."`
	Status     statusCommand     `cmd:"" help:"Show the state of slot, checkpoint, sink and rows, from Postgres and the sink; no running instance is needed."`
	Tail       tailCommand       `cmd:"" help:"Print committed events, one readable line each."`
	Trades     tradesCommand     `cmd:"" help:"What became of each trade, one line each: fills, pool, exit, result, and the block after it."`
	Report     reportCommand     `cmd:"" help:"What happened in a week, as one HTML file: exits, trades, blocks, pools, stale writes, gaps."`
	Audit      auditCommand      `cmd:"" help:"What happened to a token, or whether the sink is whole."`
	Reconcile  reconcileCommand  `cmd:"" help:"After a lost slot: new slot and snapshot; publish the differences and one stream.gap. With --adopt, on another server."`
	Handover   handoverCommand   `cmd:"" help:"Before a planned change of the server: take everything in and confirm it, and note that nothing is written behind it."`
	Replay     replayCommand     `cmd:"" help:"Copy committed events to another sink, unchanged."`
	Notify     notifyCommand     `cmd:"" help:"Tell people and programs of exits, gaps and other severe events, each at least once."`
	Teardown   teardownCommand   `cmd:"" help:"Drop slot and publication, after a question; say what stays."`
	Probe      probeCommand      `cmd:"" help:"Ask a running instance on this machine whether it is alive; exit 0 or 1."`
	Completion completionCommand `cmd:"" help:"Print the script that makes a shell complete this command line."`
	Version    versionCommand    `cmd:"" help:"Print the version."`

	ShowVersion versionFlag `name:"version" help:"Print the version." env:"-"`

	Settings settings.Settings `embed:"" group:"Settings of every verb; also environment variables (LOWCAP_CDC_…) and keys of --config:"`
}

// run runs a command line and returns its exit code.
func run(args []string, out, errOut io.Writer) int {
	c := cli{Settings: settings.Settings{Version: buildVersion()}}
	exit, hidden := -1, settings.NewHidden()
	parser, err := newParser(&c, hidden, kong.Writers(out, errOut), kong.Exit(func(code int) { exit = code }))
	if err != nil {
		fmt.Fprintln(errOut, "lowcap-cdc:", err)
		return settings.ExitUsage
	}
	ctx, err := parser.Parse(withVerb(args))
	if exit >= 0 {
		return exit // --help has been printed
	}
	if err == nil {
		err = settings.CheckEnvironment(environmentOf(parser.Model.Node))
	}
	if err != nil {
		fmt.Fprintf(errOut, "lowcap-cdc: %s; run: lowcap-cdc --help\n", settings.OneLine(settings.Explain(err, hidden)))
		return settings.ExitUsage
	}
	err = ctx.Run(&c.Settings, &settings.Streams{In: os.Stdin, Out: out, Err: errOut})
	if damage := c.Settings.Damage(); damage != nil && !stays[ctx.Selected().Name] && (err == nil || settings.ExitCode(err) == settings.ExitFailed) {
		err = errors.Join(err, damage)
	}
	if failed := settings.Failed(out); err == nil && failed != nil {
		err = fmt.Errorf("not everything was printed: %w", failed)
	}
	if err != nil {
		code := settings.ExitCode(err)
		text := err.Error()
		if code == settings.ExitUsage {
			text = settings.Explain(err, hidden)
		}
		if errors.Is(err, context.Canceled) {
			text = strings.ReplaceAll(text, context.Canceled.Error(), "told to stop before the end")
		}
		fmt.Fprintln(errOut, "lowcap-cdc:", settings.OneLine(text))
		return code
	}
	return settings.ExitDone
}

// environmentOf returns the variables that a node and those below it read.
func environmentOf(node *kong.Node) (names []string) {
	for _, flag := range node.Flags {
		names = append(names, flag.Envs...)
	}
	for _, child := range node.Children {
		names = append(names, environmentOf(child)...)
	}
	return names
}

// withVerb puts the word that says what to audit in front of the flags that stand before it, and puts in token where there is none:
// the parser would take those for flags of audit itself.
func withVerb(args []string) []string {
	at := slices.Index(args, "audit") + 1
	if at == 0 || at == len(args) || !strings.HasPrefix(args[at], "-") {
		return args
	}
	rest := slices.Clone(args[at:])
	verb := "token"
	for i, word := range rest {
		if word == "-h" || word == "--help" {
			return args
		}
		if i > 0 && isAuditVerb(word) && !takesValue(rest[i-1]) {
			verb, rest = word, slices.Delete(rest, i, i+1)
			break
		}
	}
	return slices.Concat(args[:at], []string{verb}, rest)
}

// takesValue reports whether the next word belongs to a flag.
func takesValue(word string) bool {
	return strings.HasPrefix(word, "--") && !strings.Contains(word, "=") && word != "--json" && word != "--require-complete" &&
		word != "--kafka-tls"
}

func isAuditVerb(word string) bool {
	for i := range reflect.TypeFor[auditCommand]().NumField() {
		if word == strings.ToLower(reflect.TypeFor[auditCommand]().Field(i).Name) {
			return true
		}
	}
	return false
}

// stays are the verbs that do not end with what they have read: whoever stops them has not asked how it was.
var stays = map[string]bool{"run": true, "notify": true}

// newParser returns the parser of a command line.
func newParser(c *cli, hidden *settings.Hidden, options ...kong.Option) (*kong.Kong, error) {
	load := settings.Loader(hidden, notify.Keys(),
		reflect.TypeFor[runCommand](), reflect.TypeFor[page.Flags](), reflect.TypeFor[notify.Options]())
	return kong.New(c, append(options, kong.Name("lowcap-cdc"), kong.Description(description), kong.DefaultEnvars("LOWCAP_CDC"),
		kong.Configuration(load), kong.ConfigureHelp(kong.HelpOptions{Compact: true}))...)
}
