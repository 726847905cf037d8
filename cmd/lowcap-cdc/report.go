package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"lowcap-cdc/cmd/lowcap-cdc/internal/audit"
	"lowcap-cdc/cmd/lowcap-cdc/internal/report"
	"lowcap-cdc/cmd/lowcap-cdc/internal/settings"
	"lowcap-cdc/sink"
)

type reportCommand struct {
	Since string `help:"Begin here: an age, a time, or an LSN." default:"7d" placeholder:"7d|TIME|LSN"`
	To    string `help:"End before this; without it now." placeholder:"1h|TIME|LSN"`
	Out   string `help:"Write to this file, which takes the place of one that is there; without it to the standard output." placeholder:"FILE"`
	JSON  bool   `help:"Write JSON, with up to 1,000 lines of each list." name:"json"`
	sealFlags
}

// Run verifies the sink, as audit verify does, and then reads it again for the report: what happened before its time says how it began.
// A report of a sink that does not hold is written all the same, and says so.
func (c *reportCommand) Run(s *settings.Settings, std *settings.Streams) error {
	if c.Out == "" && !c.JSON && settings.IsTerminal(std.Out) {
		return settings.Usage(errors.New("the report is an HTML file: set --out FILE, or --json"))
	}
	verify := &auditVerifyCommand{sealFlags: c.sealFlags}
	anchors, err := verify.anchors()
	if err != nil {
		return err
	}
	if err := c.spares(c.Out); err != nil {
		return err
	}
	period := report.Period{Now: time.Now()}
	if period.Since, err = settings.ParsePoint(c.Since, period.Now); err != nil {
		return err
	}
	if period.To, err = settings.ParsePoint(c.To, period.Now); err != nil {
		return err
	}
	if !period.Since.Time.IsZero() && !period.To.Time.IsZero() && !period.Since.Time.Before(period.To.Time) {
		return settings.Usage(fmt.Errorf("--since %s does not lie before --to %s", c.Since, c.To))
	}
	ctx, reader, done, err := s.ReadUntilSignal(std)
	if err != nil {
		return err
	}
	defer done()
	verified, err := audit.Verify(ctx, reader, anchors)
	if err != nil {
		return err
	}
	made, err := makeReport(ctx, reader, period)
	if err != nil {
		return err
	}
	if made.Trail, err = trailOf(verified); err != nil {
		return err
	}
	if err := c.write(std.Out, made); err != nil {
		return err
	}
	return verify.outcome(verified)
}

// makeReport reads all events.
func makeReport(ctx context.Context, reader sink.Reader, period report.Period) (*report.Report, error) {
	var err error
	if period.Since, err = period.Since.On(ctx, reader); err != nil {
		return nil, err
	}
	if period.To, err = period.To.On(ctx, reader); err != nil {
		return nil, err
	}
	fold := report.New(period)
	err = reader.ReadEvents(ctx, sink.Range{}, func(e *sink.Stored) error { return errors.Join(fold.Take(e), ctx.Err()) })
	if err := errors.Join(err, ctx.Err()); err != nil {
		return nil, err // half of the events would be a false report
	}
	return fold.End()
}

func trailOf(verified *audit.Report) (*report.Trail, error) {
	var text, verdict bytes.Buffer
	err := errors.Join(verified.Print(&text, false), verified.Print(&verdict, true))
	return &report.Trail{OK: len(verified.Findings) == 0, Text: text.String(), Verdict: verdict.Bytes()}, err
}

// write writes the report to its file, and says in a few lines what is in it; or to the standard output.
func (c *reportCommand) write(out io.Writer, made *report.Report) error {
	if c.Out == "" {
		return c.print(out, made)
	}
	if err := replaceFile(c.Out, 0o640, func(file io.Writer) error { return c.print(file, made) }); err != nil {
		return fmt.Errorf("write --out: %w", err)
	}
	fmt.Fprintf(out, "%s: ", c.Out)
	return made.Print(out)
}

func (c *reportCommand) print(out io.Writer, made *report.Report) error {
	if !c.JSON {
		return made.WriteHTML(out)
	}
	if settings.IsTerminal(out) {
		return made.WriteJSON(out, settings.PrintableJSON)
	}
	return made.WriteJSON(out, func(text []byte) []byte { return text })
}
