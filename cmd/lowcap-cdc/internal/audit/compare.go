package audit

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/tidwall/gjson"

	"lowcap-cdc/cdc"
	"lowcap-cdc/cdc/pg"
	"lowcap-cdc/cmd/lowcap-cdc/internal/audit/belief"
	"lowcap-cdc/cmd/lowcap-cdc/internal/readable"
	"lowcap-cdc/decode"
	"lowcap-cdc/schemas"
	"lowcap-cdc/sink"
)

// ErrDiffers says that what consumers believe is not what the tables hold.
var ErrDiffers = errors.New("the events do not tell what the tables hold")

// Comparer compares what consumers believe with what the tables hold.
type Comparer struct {
	Source   pg.Config
	Reader   sink.Reader
	Patience time.Duration // how long the sink may take to pass the moment that is looked at
	Progress func(what string, n, of int)

	trail *trail // what an earlier comparison has read; nil before the first
}

// Compared is the outcome.
type Compared struct {
	LSN         string              `json:"lsn"` // the place that was compared
	Events      int                 `json:"events"`
	New         int                 `json:"new_events"` // of them, which an earlier comparison had not folded
	Rows        int                 `json:"rows"`
	Count       int                 `json:"differences"`
	Differences []belief.Difference `json:"first_differences"`
}

const (
	passedPause  = 500 * time.Millisecond
	foldAttempts = 5

	progressEvery = 1000 // events or rows
)

// Compare takes a snapshot of the tables, waits until the sink has passed it, folds the events up to it, never the images, and
// lists what differs.
func (c *Comparer) Compare(ctx context.Context) (*Compared, error) {
	truth, err := pg.OpenTruth(ctx, c.Source)
	if err != nil {
		return nil, err
	}
	defer truth.Close(context.WithoutCancel(ctx)) //nolint:errcheck // it was only read
	if err := c.await(ctx, truth.Place()); err != nil {
		return nil, err
	}
	out := &Compared{LSN: truth.Place().String()}
	beliefs, err := c.fold(ctx, truth, out)
	if err != nil {
		return nil, err
	}
	comparison := belief.Compare(beliefs)
	for _, t := range decode.Tables {
		if !truth.Has(t) {
			comparison.LeaveOut(t.String()) // nothing is there to be compared
		}
	}
	rows := len(beliefs.Blocks) + len(beliefs.Positions)
	for {
		row, err := truth.Next()
		if err != nil {
			return nil, err
		}
		if row == nil {
			break
		}
		comparison.Take(row)
		if comparison.Rows%progressEvery == 0 {
			c.tell("rows compared", comparison.Rows, rows)
		}
	}
	comparison.Rest()
	out.Rows, out.Count, out.Differences = comparison.Rows, comparison.Count, comparison.First
	return out, nil
}

func (c *Comparer) tell(what string, n, of int) {
	if c.Progress != nil {
		c.Progress(what, n, max(n, of))
	}
}

// await waits until everything before a place is in the sink: the slot says so, or the checkpoint, which is ahead of it.
func (c *Comparer) await(ctx context.Context, place decode.LSN) error {
	begun := time.Now()
	known, err := readCheckpoint(ctx, c.Reader)
	if err != nil {
		return err
	}
	for has := known.LSN; has < place; {
		if time.Since(begun) > c.Patience {
			return fmt.Errorf(
				"the sink is behind: after %s it has everything up to %s, and the tables were read at %s; is run at work? look with: lowcap-cdc status",
				c.Patience,
				has,
				place,
			)
		}
		if err := sleep(ctx, passedPause); err != nil {
			return err
		}
		confirmed, err := pg.Confirmed(ctx, c.Source)
		if err != nil {
			return err
		}
		has = max(has, confirmed)
	}
	return nil
}

// fold reads the events that it has not read yet. A broker may show the end of the last transaction a moment later in one topic
// than in another, so it reads again until everything is there that the checkpoint knows. Where the trail does not go on from
// what was read before, all of it is read again.
func (c *Comparer) fold(ctx context.Context, truth *pg.Truth, out *Compared) (*belief.Beliefs, error) {
	for attempt := 1; ; attempt++ {
		known, err := readCheckpoint(ctx, c.Reader)
		if err != nil {
			return nil, err
		}
		if c.trail == nil {
			c.trail = &trail{fold: newFold(0)}
		}
		r, read := c.trail.reading(known.Events.Number), 0
		era := known.Era()
		err = c.Reader.ReadEvents(ctx, sink.Range{Since: c.trail.since()}, func(e *sink.Stored) error {
			a := e.Attributes()
			if read++; read%progressEvery == 0 {
				c.tell("events read", int(a.Number), int(known.Events.Number))
			}
			return errors.Join(r.take(e, &a, saw(truth, &a, e.Value, &era)), ctx.Err())
		})
		switch {
		case errors.Is(err, errBegunAnew):
			c.trail = nil
			continue
		case err != nil:
			return nil, err
		case !r.hasAll() && attempt < foldAttempts, r.fold().missing.To > 0 && attempt == 1:
			if attempt == foldAttempts-1 || r.fold().missing.To > 0 {
				c.trail = nil // what follows is read as a whole
			}
			if err := sleep(ctx, passedPause); err != nil {
				return nil, err
			}
			continue
		case !r.hasAll():
			return nil, fmt.Errorf("%w: the checkpoint knows %d events, the last that is there is number %d", ErrAltered, r.head, r.fold().passed)
		}
		f := r.fold()
		if c.trail.last == nil || c.trail.last.Attributes().Number == 0 || f.missing.To > 0 {
			c.trail = nil // there is no place to go on from
		}
		if missing := f.missing; missing.To > 0 {
			return nil, fmt.Errorf("the events %s are gone, by retention or because this is a part: what is left does not tell what the tables hold",
				missing)
		}
		out.Events, out.New = r.events, r.events-r.before
		return f.beliefs, nil
	}
}

// saw reports whether the snapshot sees what an event tells. now is the era that the trail is in.
func saw(truth *pg.Truth, a *schemas.Attributes, event []byte, now *cdc.Era) bool {
	if at, known := placeOf(a); known && at < now.Begins {
		return true // of a server that was there before
	}
	origin := gjson.GetBytes(event, "data.origin")
	lsn, err := decode.ParseLSN(origin.Get("commit_lsn").String())
	if err == nil && ofSnapshot(a) && truth.SawSnapshot(lsn) {
		return true
	}
	return err == nil && truth.Saw(uint32(origin.Get("xid").Uint()), lsn)
}

// longestRow is how many bytes of a row's key are shown.
const longestRow = 200

// Print prints the outcome for a person, or as JSON.
func (c *Compared) Print(out io.Writer, asJSON bool) error {
	if asJSON {
		return readable.PrintJSON(out, c)
	}
	for _, d := range c.Differences {
		said := "no event says so"
		if d.Number > 0 {
			said = fmt.Sprintf("event %d", d.Number)
		}
		fmt.Fprintf(out, "DIFFERS   %s %s: %s: the table has %s, consumers believe %s (%s)\n", d.Table, readable.Printable(readable.Cut(d.Row, longestRow)), d.Field,
			shown(d.Stored), shown(d.Believed), said)
	}
	if more := c.Count - len(c.Differences); more > 0 {
		fmt.Fprintf(out, "DIFFERS   and %d more\n", more)
	}
	fmt.Fprintf(out, "compared  %d rows at %s with what %d events tell: %d differences\n", c.Rows, c.LSN, c.Events, c.Count)
	return nil
}

func shown(text string) string {
	if text == "" {
		return "something else"
	}
	return readable.Printable(text)
}
