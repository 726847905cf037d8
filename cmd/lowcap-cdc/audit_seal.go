package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/rs/zerolog"

	"lowcap-cdc/cmd/lowcap-cdc/internal/audit"
	"lowcap-cdc/cmd/lowcap-cdc/internal/audit/seal"
	"lowcap-cdc/cmd/lowcap-cdc/internal/notify"
	"lowcap-cdc/cmd/lowcap-cdc/internal/settings"
	"lowcap-cdc/schemas"
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
	Key         string        `help:"The private key, of audit keygen." required:"" placeholder:"FILE"`
	Log         string        `help:"The file of seals, which is appended to; FILE.frontier stands beside it." required:"" placeholder:"FILE"`
	Every       time.Duration `help:"Go on, and seal this often; without it once." placeholder:"5m"`
	To          []string      `help:"Take each seal out of the house too: file:PATH, git:DIR, https://HOST/PATH (POST), stdout:, or notify:ROUTE (its short form, by a route of --config). May be repeated." placeholder:"URL"`
	BeginLate   bool          `help:"When --log is new: begin behind the events that retention has removed; each seal says from which number on."`
	Cosign      string        `help:"Be a witness: check the seals of this file against the sink, and write them, cosigned, to --log." placeholder:"FILE"`
	Pub         string        `help:"With --cosign: the public key of those seals." placeholder:"FILE"`
	NotifyTo    string        `help:"Tell this receiver when a seal is refused, or fails again and again; as notify --to." placeholder:"URL"`
	NotifyAs    string        `help:"How to tell it, where a URL is enough: alertmanager, webhook, slack, discord or ntfy." enum:"alertmanager,webhook,slack,discord,ntfy" default:"webhook"`
	NotifyRoute string        `help:"Tell this route of --config when a seal is refused, or fails again and again: any receiver that notify knows, and its fallback." placeholder:"ROUTE"`
}

// shortestEvery is the least time between two seals, or two comparisons.
const shortestEvery = time.Second

// Run seals, once or until it is told to stop.
func (c *auditSealCommand) Run(s *settings.Settings, std *settings.Streams) error {
	tellers, err := c.tellers(string(s.Config))
	if err != nil {
		return settings.Usage(err)
	}
	sealer, ways, err := c.prepare(string(s.Config), std)
	if err != nil {
		return settings.Usage(err)
	}
	ctx, reader, done, err := s.ReadUntilSignal(std)
	if err != nil {
		return err
	}
	defer done()
	r := &sealRun{options: c, sealer: sealer, ways: ways, tellers: tellers, std: std, log: s.Logger(std.Err)}
	sealer.Reader = reader
	for p := (patience{every: c.Every}); ; {
		err := r.once(ctx)
		switch {
		case c.Every == 0:
			return err
		case ctx.Err() != nil:
			return nil
		case isFinal(err):
			return err
		case err != nil:
			r.log.Warn().Err(err).Stringer("retry_in", c.Every).Msg("not sealed; trying again")
			if p.isAtItsEnd(time.Now()) {
				p.isTold = r.tell(ctx, schemas.Warn, "The trail is not being sealed", err) == nil
			}
		default:
			p = patience{every: c.Every}
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(c.Every):
		}
	}
}

// patience is how long sealing may fail before somebody is told: three times, and a minute at least.
type patience struct {
	every  time.Duration
	since  time.Time // of the first failure; zero for none
	isTold bool
}

// isAtItsEnd takes in a failure, and reports whether it is time to tell somebody who does not know it yet.
func (p *patience) isAtItsEnd(now time.Time) bool {
	if p.since.IsZero() {
		p.since = now
	}
	return !p.isTold && now.Sub(p.since) >= max(2*p.every, time.Minute)
}

// tellers are who is told when a seal is refused, or fails again and again.
func (c *auditSealCommand) tellers(config string) (all []*notify.Teller, err error) {
	if c.NotifyTo != "" {
		one, err := notify.NewTeller(&notify.Options{To: c.NotifyTo, As: c.NotifyAs}, "", "")
		if err != nil {
			return nil, fmt.Errorf("--notify-to: %w", err)
		}
		all = append(all, one)
	}
	if c.NotifyRoute != "" {
		one, err := notify.NewTeller(&notify.Options{}, config, c.NotifyRoute)
		if err != nil {
			return nil, fmt.Errorf("--notify-route: %w", err)
		}
		all = append(all, one)
	}
	return all, nil
}

// prepare reads the keys and the ways, before anything is connected.
func (c *auditSealCommand) prepare(config string, std *settings.Streams) (*audit.Sealer, []audit.Way, error) {
	if c.Every != 0 && c.Every < shortestEvery {
		return nil, nil, fmt.Errorf("--every %s is shorter than %s", c.Every, shortestEvery)
	}
	if c.BeginLate && c.Cosign != "" {
		return nil, nil, errors.New("--begin-late is for who seals; a witness begins where the seals do")
	}
	if (c.Cosign == "") != (c.Pub == "") {
		return nil, nil, errors.New("--cosign FILE and --pub FILE.pub belong together: seals, and the key that they are checked with")
	}
	key, err := seal.ReadSigner(c.Key)
	if err != nil {
		return nil, nil, err
	}
	if seal.IsOpen(c.Key) {
		fmt.Fprintf(std.Err, "warning: everybody on this machine can read %s, and sign with it; run: chmod 600 %s\n", c.Key, c.Key)
	}
	sealer := &audit.Sealer{Key: key, Log: c.Log, Cosign: c.Cosign, Late: c.BeginLate}
	owner := key.Verifier
	if c.Pub != "" {
		if owner, err = seal.ReadVerifier(c.Pub); err != nil {
			return nil, nil, err
		}
		sealer.Of = owner
	}
	var ways []audit.Way
	for _, to := range c.To {
		way, err := parseWay(to, config, owner, std)
		if err != nil {
			return nil, nil, err
		}
		ways = append(ways, way)
	}
	sealer.Ways = ways
	return sealer, ways, nil
}

func parseWay(to, config string, owner *seal.Verifier, std *settings.Streams) (audit.Way, error) {
	name, isRoute := strings.CutPrefix(to, "notify:")
	if !isRoute {
		return audit.ParseWay(to, owner, std.Out, std.Err)
	}
	teller, err := notify.NewTeller(&notify.Options{}, config, name)
	if err != nil {
		return nil, fmt.Errorf("--to %s: %w", to, err)
	}
	return &toldWay{name, teller}, nil
}

// toldWay tells the short form of each seal to people, who then hold it.
type toldWay struct {
	route  string
	teller *notify.Teller
}

// Check implements audit.Way: nobody can ask people what they were told.
func (w *toldWay) Check(*seal.Log) error { return nil }

// Deliver implements audit.Way.
func (w *toldWay) Deliver(ctx context.Context, _ *seal.Log, c *seal.Checkpoint, _ []byte) error {
	return w.teller.Say(ctx, schemas.Info, "The trail was sealed", c.Short(), notify.Fact{Name: "seal", Value: c.Short()},
		notify.Fact{Name: "committed", Value: c.Time}, notify.Fact{Name: "check it", Value: "lowcap-cdc audit verify --expect, with the line above"})
}

func (w *toldWay) String() string { return "notify:" + w.route }

// sealRun seals again and again.
type sealRun struct {
	options *auditSealCommand
	sealer  *audit.Sealer
	ways    []audit.Way
	tellers []*notify.Teller
	std     *settings.Streams
	log     zerolog.Logger
	told    map[audit.Way]uint64 // the size of the last seal that a way has taken
}

// isFinal reports whether nothing can be sealed until somebody has looked: a trail that does not go on, a log that was altered, a
// sink that is damaged.
func isFinal(err error) bool {
	return errors.Is(err, audit.ErrRefused) || errors.Is(err, seal.ErrLog) || sink.IsPermanent(err)
}

// once seals what is there, takes the last seal out of the house where that has not been done, and tells what ends the sealing.
func (r *sealRun) once(ctx context.Context) error {
	sealed, err := r.sealer.Seal(ctx)
	if err == nil {
		err = r.say(sealed)
	}
	if err == nil {
		err = r.deliver(ctx, sealed)
	}
	if isFinal(err) {
		err = errors.Join(err, r.tell(ctx, schemas.Page, "The trail cannot be sealed", err))
	}
	return err
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
	case r.options.Cosign != "":
		fmt.Fprintf(r.std.Out, "cosigned %d seals, the last one %s\n", sealed.New, last.Short())
	default:
		fmt.Fprintf(r.std.Out, "sealed %s, committed at %s on %s%s\n", last.Short(), last.LSN, last.Time, late(last.Begins))
	}
	return nil
}

// late says where the seals begin, when that is not the first event.
func late(begins uint64) string {
	if begins == 0 {
		return ""
	}
	return fmt.Sprintf("; the seals begin with event %d", begins)
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
			failed = errors.Join(failed, r.undelivered(w, last.Size, err))
			continue
		}
		r.told[w] = last.Size
	}
	return failed
}

// undelivered says that a seal has not got to where it should. Whatever keeps it from there, the sealing goes on, unless what is there
// already is another history.
func (r *sealRun) undelivered(w audit.Way, number uint64, why error) error {
	if !errors.Is(why, audit.ErrRefused) && !errors.Is(why, seal.ErrLog) {
		why = errors.New(why.Error())
	}
	return fmt.Errorf("take seal %d to %s: %w; it stands in %s, and goes there with the next run", number, w, why, r.options.Log)
}

// tell tells everybody who is to know what keeps the trail from being sealed.
func (r *sealRun) tell(ctx context.Context, severity schemas.Severity, what string, why error) (failed error) {
	for _, t := range r.tellers {
		err := t.Say(ctx, severity, what, fmt.Sprint("audit.seal/", time.Now().UnixNano()), notify.Fact{Name: "why", Value: why.Error()})
		if err != nil {
			failed = errors.Join(failed, fmt.Errorf("tell %s: %w", t.Name(), err))
		}
	}
	return failed
}
