package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/rs/zerolog"

	"lowcap-cdc/cmd/lowcap-cdc/internal/audit"
	"lowcap-cdc/cmd/lowcap-cdc/internal/audit/seal"
	"lowcap-cdc/cmd/lowcap-cdc/internal/notify"
	"lowcap-cdc/cmd/lowcap-cdc/internal/settings"
	"lowcap-cdc/sink"
)

type auditKeygenCommand struct {
	Out  string `help:"Where the private key goes; the public one goes to FILE.pub." required:"" placeholder:"FILE"`
	Name string `help:"What the seals are signed as." default:"lowcap-cdc"`
}

// Run makes a key pair.
func (c *auditKeygenCommand) Run(_ *settings.Settings, std *settings.Streams) error {
	public, err := seal.WriteKeys(c.Out, c.Name)
	if err != nil {
		return settings.Usage(err)
	}
	fmt.Fprintln(std.Out, public)
	fmt.Fprintf(
		std.Err,
		"%s signs: keep it where those who write the sink cannot read it. %s.pub verifies: give it to everybody.\n",
		c.Out,
		c.Out,
	)
	return nil
}

type auditSealCommand struct {
	Key      string        `help:"The private key, of audit keygen." required:"" placeholder:"FILE"`
	Log      string        `help:"The file of seals, which is appended to; FILE.frontier stands beside it." required:"" placeholder:"FILE"`
	Every    time.Duration `help:"Go on, and seal this often; without it once." placeholder:"5m"`
	To       []string      `help:"Take each seal out of the house too: file:PATH, git:DIR, https://HOST/PATH (POST), stdout:. May be repeated." placeholder:"URL"`
	Cosign   string        `help:"Be a witness: check the seals of this file against the sink, and write them, cosigned, to --log." placeholder:"FILE"`
	Pub      string        `help:"With --cosign: the public key of those seals." placeholder:"FILE"`
	NotifyTo string        `help:"Tell this receiver when a seal is refused; as notify --to." placeholder:"URL"`
	NotifyAs string        `help:"How to tell it: alertmanager, webhook or slack." enum:"alertmanager,webhook,slack" default:"webhook"`
}

// shortestEvery is the least time between two seals.
const shortestEvery = time.Second

// Run seals, once or until it is told to stop.
func (c *auditSealCommand) Run(s *settings.Settings, std *settings.Streams) error {
	sealer, ways, err := c.prepare(std)
	if err != nil {
		return settings.Usage(err)
	}
	ctx, reader, done, err := s.ReadUntilSignal(std)
	if err != nil {
		return err
	}
	defer done()
	r := &sealRun{options: c, sealer: sealer, ways: ways, std: std, log: s.Logger(std.Err)}
	sealer.Reader = reader
	for {
		err := r.once(ctx)
		switch {
		case c.Every == 0:
			return err
		case ctx.Err() != nil:
			return nil
		case errors.Is(err, audit.ErrRefused), errors.Is(err, seal.ErrLog), sink.IsPermanent(err):
			return err
		case err != nil:
			r.log.Warn().Err(err).Stringer("retry_in", c.Every).Msg("not sealed; trying again")
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(c.Every):
		}
	}
}

// prepare reads the keys and the ways, before anything is connected.
func (c *auditSealCommand) prepare(std *settings.Streams) (*audit.Sealer, []audit.Way, error) {
	if c.Every != 0 && c.Every < shortestEvery {
		return nil, nil, fmt.Errorf("--every %s is shorter than %s", c.Every, shortestEvery)
	}
	if (c.Cosign == "") != (c.Pub == "") {
		return nil, nil, errors.New("--cosign FILE and --pub FILE.pub belong together: seals, and the key that they are checked with")
	}
	key, err := seal.ReadSigner(c.Key)
	if err != nil {
		return nil, nil, err
	}
	sealer := &audit.Sealer{Key: key, Log: c.Log, Cosign: c.Cosign}
	owner := key.Verifier
	if c.Pub != "" {
		if owner, err = seal.ReadVerifier(c.Pub); err != nil {
			return nil, nil, err
		}
		sealer.Of = owner
	}
	if c.NotifyTo != "" {
		if err := (&notify.Options{To: c.NotifyTo, As: c.NotifyAs}).Check(""); err != nil {
			return nil, nil, fmt.Errorf("--notify-to: %w", err)
		}
	}
	var ways []audit.Way
	for _, to := range c.To {
		way, err := audit.ParseWay(to, owner, std.Out)
		if err != nil {
			return nil, nil, err
		}
		ways = append(ways, way)
	}
	return sealer, ways, nil
}

// sealRun seals again and again.
type sealRun struct {
	options *auditSealCommand
	sealer  *audit.Sealer
	ways    []audit.Way
	std     *settings.Streams
	log     zerolog.Logger
	told    map[audit.Way]uint64 // the size of the last seal that a way has taken
}

// once seals what is there, and takes the last seal out of the house where that has not been done.
func (r *sealRun) once(ctx context.Context) error {
	sealed, err := r.sealer.Seal(ctx)
	if errors.Is(err, audit.ErrRefused) || errors.Is(err, seal.ErrLog) {
		return errors.Join(err, r.tell(ctx, err))
	}
	if err != nil {
		return err
	}
	if err := r.say(sealed); err != nil {
		return err
	}
	return r.deliver(ctx, sealed)
}

func (r *sealRun) say(sealed *audit.SealedLog) error {
	last := sealed.Log.Last()
	switch {
	case r.printsNotes() || r.options.Every > 0 && sealed.New == 0:
		return nil
	case last == nil:
		fmt.Fprintln(r.std.Out, "no event is there: nothing was sealed")
	case sealed.New == 0:
		fmt.Fprintf(r.std.Out, "nothing new since seal %s\n", last.Short())
	default:
		fmt.Fprintf(r.std.Out, "sealed %s, committed at %s on %s\n", last.Short(), last.LSN, last.Time)
	}
	return nil
}

// printsNotes reports whether standard output is for the notes.
func (r *sealRun) printsNotes() bool {
	for _, w := range r.ways {
		if w.String() == "stdout:" {
			return true
		}
	}
	return false
}

func (r *sealRun) deliver(ctx context.Context, sealed *audit.SealedLog) error {
	last := sealed.Log.Last()
	if last == nil {
		return nil
	}
	if r.told == nil {
		r.told = make(map[audit.Way]uint64)
	}
	note, err := sealed.Log.Note(last)
	if err != nil {
		return err
	}
	var failed error
	for _, w := range r.ways {
		if r.told[w] == last.Size {
			continue
		}
		if err := w.Deliver(ctx, sealed.Log, &last.Checkpoint, note); err != nil {
			failed = errors.Join(
				failed,
				fmt.Errorf("take seal %d to %s: %w; it stands in %s, and goes there with the next run", last.Size, w, err, r.options.Log),
			)
			continue
		}
		r.told[w] = last.Size
	}
	return failed
}

// tell says at the receiver of --notify-to that a seal was refused.
func (r *sealRun) tell(ctx context.Context, refused error) error {
	if r.options.NotifyTo == "" {
		return nil
	}
	to := &notify.Options{To: r.options.NotifyTo, As: r.options.NotifyAs}
	if err := notify.Say(ctx, to, "audit.seal_refused", refused.Error()); err != nil {
		return fmt.Errorf("tell --notify-to: %w", err)
	}
	return nil
}
