package main

import (
	"context"
	"fmt"
	"runtime"
	"runtime/debug"
	"time"

	"github.com/jackc/pgx/v5"

	"lowcap-cdc/cdc/check"
	"lowcap-cdc/cdc/pg"
	"lowcap-cdc/sink/kafka"
)

// verbTimeout bounds a verb that only looks or sets up.
const verbTimeout = time.Minute

type initCommand struct {
	DryRun bool `help:"Print the SQL, the grants and the topics instead of making them."`
}

// Run sets up what a first start needs.
func (i *initCommand) Run(s *Settings, std *streams) error {
	if err := s.validate(); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), verbTimeout)
	defer cancel()
	statements, err := pg.Setup(ctx, s.source(), i.DryRun)
	if err != nil {
		return err
	}
	if i.DryRun {
		config, err := pgx.ParseConfig(s.Postgres)
		if err == nil {
			fmt.Fprintln(std.out, "-- as an administrator, the least that the role needs:")
			for _, sql := range pg.Grants(s.source(), config.User) {
				fmt.Fprintln(std.out, sql+";")
			}
		}
		fmt.Fprintln(std.out, "-- as the tables' owner:")
	}
	for _, sql := range statements {
		fmt.Fprintln(std.out, sql+";")
	}
	if len(statements) == 0 {
		fmt.Fprintf(std.out, "-- publication %q is there already\n", s.Publication)
	}
	fmt.Fprintf(std.out, "-- slot %q is created by the first run, which needs the snapshot that comes with it\n", s.Slot)
	return i.topics(ctx, s, std)
}

func (i *initCommand) topics(ctx context.Context, s *Settings, std *streams) error {
	to, err := s.openSink(std.out)
	if err != nil {
		return err
	}
	defer to.Close() //nolint:errcheck // nothing was committed
	k, ok := to.(*kafka.Sink)
	if !ok {
		return nil
	}
	topics := k.Topics()
	if !i.DryRun {
		if topics, err = k.EnsureTopics(ctx); err != nil {
			return err
		}
	}
	for _, topic := range topics {
		fmt.Fprintln(std.out, "-- topic", topic)
	}
	subjects, err := k.Subjects()
	if err != nil {
		return err
	}
	for _, subject := range subjects {
		fmt.Fprintln(std.out, "-- subject", subject)
	}
	if i.DryRun {
		return nil
	}
	return k.Register(ctx)
}

type checkCommand struct{}

// Run prints a line for each precondition.
func (*checkCommand) Run(s *Settings, std *streams) error {
	if err := s.validate(); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), verbTimeout)
	defer cancel()
	failed := 0
	line := func(f check.Finding) {
		switch f.Severity {
		case check.OK:
			fmt.Fprintf(std.out, "ok    %-28s %s\n", f.Name, f.Detail)
		case check.Warn:
			fmt.Fprintf(std.out, "warn  %-28s %s; run: %s\n", f.Name, f.Detail, f.Repair)
		default:
			failed++
			fmt.Fprintf(std.out, "FAIL  %-28s %s; run: %s\n", f.Name, f.Detail, f.Repair)
		}
	}
	for _, f := range pg.Check(ctx, s.source()) {
		severity := check.Fail
		if f.OK {
			severity = check.OK
		}
		line(check.Finding{Name: f.Name, Severity: severity, Detail: f.Detail, Repair: f.Repair})
	}
	to, err := s.openSink(std.out)
	if err != nil {
		return err
	}
	defer to.Close() //nolint:errcheck // nothing was committed
	if k, ok := to.(*kafka.Sink); ok {
		for _, f := range k.Check(ctx) {
			line(f)
		}
	}
	if failed > 0 {
		return fmt.Errorf("%d of the checks failed: %w", failed, errNotReady)
	}
	return nil
}

// version is set by the linker in a release build.
var version = ""

type versionCommand struct{}

// Run prints the version.
func (*versionCommand) Run(_ *Settings, std *streams) error {
	fmt.Fprintf(std.out, "lowcap-cdc %s (%s %s/%s)\n", buildVersion(), runtime.Version(), runtime.GOOS, runtime.GOARCH)
	return nil
}

// buildVersion returns the version as the linker or the module's build says it.
func buildVersion() string {
	if info, ok := debug.ReadBuildInfo(); ok && version == "" {
		return info.Main.Version
	}
	return version
}
