package main

import (
	"context"
	"fmt"
	"time"

	"lowcap-cdc/cdc/pg"
	"lowcap-cdc/cmd/lowcap-cdc/internal/settings"
	"lowcap-cdc/sink/kafka"
)

// verbTimeout bounds a verb that only looks or sets up.
const verbTimeout = time.Minute

type initCommand struct {
	DryRun      bool `help:"Print the SQL, the grants and the topics instead of making them."`
	Attribution bool `help:"Make the server record who makes each change, by a trigger on both tables, and nothing else; as the tables' owner."`
}

// Run sets up what a first start needs.
func (i *initCommand) Run(s *settings.Settings, std *settings.Streams) error {
	if i.Attribution {
		return i.attribution(s, std)
	}
	if err := i.require(s); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), verbTimeout)
	defer cancel()
	statements, err := pg.Setup(ctx, s.Source(), i.DryRun)
	if err != nil {
		return err
	}
	if i.DryRun {
		grants, err := pg.Grants(ctx, s.Source())
		if err != nil {
			return err
		}
		fmt.Fprintln(std.Out, "-- as an administrator, the least that the role needs; "+
			"the last two keep others from writing messages into the WAL:")
		for _, sql := range grants {
			fmt.Fprintln(std.Out, sql+";")
		}
		fmt.Fprintln(std.Out, "-- as the tables' owner:")
	}
	for _, sql := range statements {
		fmt.Fprintln(std.Out, sql+";")
	}
	if len(statements) == 0 {
		fmt.Fprintf(std.Out, "-- publication %q is there already\n", s.Publication)
	}
	fmt.Fprintf(std.Out, "-- slot %q is created by the first run, which needs the snapshot that comes with it\n", s.Slot)
	if s.Sink == "" {
		fmt.Fprintln(std.Out, "-- topics are listed when --sink names Kafka")
		return nil
	}
	return i.topics(ctx, s, std)
}

// attribution sets up what records who makes each change.
func (i *initCommand) attribution(s *settings.Settings, std *settings.Streams) error {
	if err := s.RequireDatabase(); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), verbTimeout)
	defer cancel()
	statements, err := pg.SetUpAttribution(ctx, s.Source(), i.DryRun)
	if err != nil {
		return err
	}
	if len(statements) == 0 {
		fmt.Fprintln(std.Out, "-- the attribution is there already")
	}
	for _, sql := range statements {
		fmt.Fprintln(std.Out, sql+";")
	}
	return nil
}

// require lets a dry run do without a sink: on the first day there is none yet.
func (i *initCommand) require(s *settings.Settings) error {
	if i.DryRun && s.Sink == "" {
		return s.RequireDatabase()
	}
	return s.Require()
}

func (i *initCommand) topics(ctx context.Context, s *settings.Settings, std *settings.Streams) error {
	to, err := s.OpenSink(std.Out)
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
		fmt.Fprintln(std.Out, "-- topic", topic)
	}
	subjects, err := k.Subjects()
	if err != nil {
		return err
	}
	for _, subject := range subjects {
		fmt.Fprintln(std.Out, "-- subject", subject)
	}
	if i.DryRun {
		return nil
	}
	return k.Register(ctx)
}
