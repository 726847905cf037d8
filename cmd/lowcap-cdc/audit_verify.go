package main

import (
	"cmp"
	"errors"
	"fmt"

	"lowcap-cdc/cmd/lowcap-cdc/internal/audit"
	"lowcap-cdc/cmd/lowcap-cdc/internal/audit/seal"
	"lowcap-cdc/cmd/lowcap-cdc/internal/settings"
	"lowcap-cdc/schemas"
)

// sealFlags name a log of seals and the keys that it is checked with.
type sealFlags struct {
	Seals   string   `help:"The file of seals." placeholder:"FILE"`
	Pub     string   `help:"The public key of the seals, FILE.pub of audit keygen." placeholder:"FILE"`
	Witness []string `help:"The public key of a witness, who must have cosigned every seal. May be repeated." placeholder:"FILE"`
}

// read reads the log, whole to its last byte. Without a key only its form is checked.
func (f *sealFlags) read() (*seal.Log, error) {
	var by *seal.Verifier
	var err error
	if f.Pub != "" {
		if by, err = seal.ReadVerifier(f.Pub); err != nil {
			return nil, settings.Usage(err)
		}
	}
	var witnesses []*seal.Verifier
	for _, path := range f.Witness {
		w, err := seal.ReadVerifier(path)
		if err != nil {
			return nil, settings.Usage(err)
		}
		witnesses = append(witnesses, w)
	}
	log, err := seal.ReadLog(f.Seals, by, witnesses...)
	switch {
	case err != nil:
		return nil, err
	case log.Torn > 0:
		return nil, fmt.Errorf("read seals: %s: %w: its last %d bytes are no whole seal; the next run of audit seal writes it anew", f.Seals, seal.ErrLog, log.Torn)
	case log.Last() == nil:
		return nil, settings.Usage(
			fmt.Errorf("read seals: %s holds no seal; make one with: lowcap-cdc audit seal --key FILE --log FILE", f.Seals),
		)
	}
	return log, nil
}

type auditVerifyCommand struct {
	sealFlags
	Expect          string `help:"The event with this number must have this SHA-256: what verify and seal print, kept elsewhere." placeholder:"NUMBER:CHAIN"`
	RequireComplete bool   `help:"Fail too when numbers are gone, by retention or because this is a part, or when no seal vouches for all that is there."`
	JSON            bool   `help:"Print the outcome as JSON." name:"json"`
}

// anchors reads what the sink is held against.
func (c *auditVerifyCommand) anchors() (*audit.Anchors, error) {
	a := &audit.Anchors{RequireComplete: c.RequireComplete}
	if c.Expect != "" {
		number, chain, err := seal.ParseShort(c.Expect)
		if err != nil {
			return nil, settings.Usage(fmt.Errorf("--expect %w", err))
		}
		a.Expect = &schemas.Chain{Number: number, Hash: chain}
	}
	if c.Seals == "" && c.Pub == "" && len(c.Witness) == 0 {
		return a, nil
	}
	if c.Seals == "" || c.Pub == "" {
		return nil, settings.Usage(errors.New("--seals FILE and --pub FILE.pub belong together: seals, and the key that they are checked with"))
	}
	var err error
	a.Log, err = c.read()
	return a, err
}

// Run reads every event of the sink.
func (c *auditVerifyCommand) Run(s *settings.Settings, std *settings.Streams) error {
	anchors, err := c.anchors()
	if err != nil {
		return err
	}
	ctx, reader, done, err := s.ReadUntilSignal(std)
	if err != nil {
		return err
	}
	defer done()
	report, err := audit.Verify(ctx, reader, anchors)
	if err != nil {
		return err
	}
	if err := report.Print(std.Out, c.JSON); err != nil {
		return err
	}
	return c.outcome(report)
}

// outcome is what a verb ends with that has printed the report.
func (*auditVerifyCommand) outcome(report *audit.Report) error {
	switch {
	case report.Damaged:
		return settings.Repair(audit.ErrAltered)
	case len(report.Findings) > 0:
		return audit.ErrAltered
	}
	return nil
}

type auditProveCommand struct {
	ID string `arg:"" help:"The event's id, as audit TOKEN --format json prints it."`
	sealFlags
	Out string `help:"Where the proof goes." required:"" placeholder:"FILE"`
}

// Run writes a proof.
func (c *auditProveCommand) Run(s *settings.Settings, std *settings.Streams) error {
	if c.Seals == "" {
		return settings.Usage(errors.New("--seals FILE is missing: the seals that the event is to be proved by"))
	}
	if err := cmp.Or(c.spares(c.Out), sparesOthers(c.Out)); err != nil {
		return err
	}
	log, err := c.read()
	if err != nil {
		return err
	}
	ctx, reader, done, err := s.ReadUntilSignal(std)
	if err != nil {
		return err
	}
	defer done()
	proof, err := audit.Prove(ctx, reader, log, c.ID)
	if err != nil {
		return err
	}
	if err := replaceFile(c.Out, 0o644, proof.Write); err != nil {
		return fmt.Errorf("write proof: %w", err)
	}
	fmt.Fprintf(std.Out, "proved event %d; whoever has the public key can check %s\n", proof.Number, c.Out)
	return nil
}
