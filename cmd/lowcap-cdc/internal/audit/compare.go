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

// errBehind says that a sink has not passed the moment that is compared.
var errBehind = errors.New("the sink is behind")

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
	passedPause        = 500 * time.Millisecond
	longestPassedPause = 5 * time.Second
	toldPause          = 2 * time.Second // a sidecar looks at the catalog as often
	foldAttempts       = 5

	progressEvery = 1000 // events or rows
)

// Compare takes a snapshot of the tables, waits until the sink has passed it, folds the events up to it, never the images, and
// lists what differs. What becomes of a table as a whole a sidecar tells some seconds later, so it looks again as long as its patience lasts.
func (c *Comparer) Compare(ctx context.Context) (*Compared, error) {
	var untold *Compared
	for until := time.Now().Add(c.Patience); ; {
		compared, isTold, err := c.compare(ctx, until)
		if errors.Is(err, errBehind) && untold != nil {
			return untold, nil
		}
		if err != nil || isTold || !time.Now().Before(until) {
			return compared, err
		}
		untold = compared
		if err := sleep(ctx, toldPause); err != nil {
			return nil, err
		}
	}
}

// compare compares once. isTold is false when a table is not the one that the checkpoint knows.
func (c *Comparer) compare(ctx context.Context, until time.Time) (out *Compared, isTold bool, err error) {
	truth, err := pg.OpenTruth(ctx, c.Source)
	if err != nil {
		return nil, false, err
	}
	defer truth.Close(context.WithoutCancel(ctx)) //nolint:errcheck // it was only read
	out = &Compared{LSN: truth.Place().String()}
	beliefs, known, err := c.fold(ctx, truth, until, out)
	if err != nil {
		return nil, false, err
	}
	comparison, isTold := belief.Compare(beliefs), true
	for _, t := range decode.Tables {
		if why := otherTable(known.Tables[t], truth.OID(t)); why != "" || truth.OID(t) == 0 {
			isTold = isTold && why == ""
			comparison.Leave(t.String(), why)
		}
	}
	err = c.hold(truth, comparison, len(beliefs.Blocks)+len(beliefs.Positions))
	out.Rows, out.Count, out.Differences = comparison.Rows, comparison.Count, comparison.First
	return out, isTold, err
}

// otherTable returns what became of a table that the checkpoint knows, when the one that is there now is not that one.
func otherTable(known cdc.TableState, now uint32) (why string) {
	switch {
	case known.Missing, known.ID.OID == 0, known.ID.OID == now:
		return ""
	case now == 0:
		return "dropped"
	}
	return "made anew"
}

// hold holds every row against what is believed.
func (c *Comparer) hold(truth *pg.Truth, comparison *belief.Comparison, rows int) error {
	for {
		row, err := truth.Next()
		if err != nil {
			return err
		}
		if row == nil {
			comparison.Rest()
			return nil
		}
		comparison.Take(row)
		if comparison.Rows%progressEvery == 0 {
			c.tell("rows compared", comparison.Rows, rows)
		}
	}
}

func (c *Comparer) tell(what string, n, of int) {
	if c.Progress != nil {
		c.Progress(what, n, max(n, of))
	}
}

// passed waits until everything before a place is in the sink, and returns the checkpoint that says so. A slot is quick to ask and never
// ahead of what was committed, but a broker acknowledges a commit before it shows it: what counts is the checkpoint that is read.
func (c *Comparer) passed(ctx context.Context, place decode.LSN, until time.Time) (*cdc.Checkpoint, error) {
	for confirmed, pause := decode.LSN(0), passedPause; ; {
		known, err := readCheckpoint(ctx, c.Reader)
		if err != nil || known.LSN >= place {
			return known, err
		}
		for asked := false; !asked || confirmed != 0 && confirmed < place; asked = true {
			if time.Now().After(until) {
				return c.last(ctx, confirmed, place)
			}
			if err := sleep(ctx, pause); err != nil {
				return nil, err
			}
			if confirmed, err = pg.Confirmed(ctx, c.Source); err != nil {
				return nil, err
			}
		}
		pause = min(2*pause, longestPassedPause) // the state may be large
	}
}

// last reads the checkpoint once more, when there is no time left. A sidecar tells its slot what the checkpoint knows, never more: a
// sink that still knows less than its slot is not the one that the slot was confirmed for.
func (c *Comparer) last(ctx context.Context, confirmed, place decode.LSN) (*cdc.Checkpoint, error) {
	if err := sleep(ctx, passedPause); err != nil {
		return nil, err
	}
	known, err := readCheckpoint(ctx, c.Reader)
	switch {
	case err != nil || known.LSN >= place:
		return known, err
	case known.LSN < confirmed:
		return nil, fmt.Errorf("%w its slot: it was told to have everything up to %s, and its checkpoint knows what came up to %s; "+
			"it is an older copy, or was rolled back; look with: lowcap-cdc status", errBehind, confirmed, known.LSN)
	}
	return nil, fmt.Errorf("%w: after %s it has everything up to %s, and the tables were read at %s; is run at work? look with: lowcap-cdc status",
		errBehind, c.Patience, known.LSN, place)
}

// fold reads the events that it has not read yet. A broker may show the end of the last transaction a moment later in one topic
// than in another, so it reads again until everything is there that the checkpoint knows. Where the trail does not go on from
// what was read before, all of it is read again.
func (c *Comparer) fold(ctx context.Context, truth *pg.Truth, until time.Time, out *Compared) (*belief.Beliefs, *cdc.Checkpoint, error) {
	for attempt := 1; ; attempt++ {
		known, err := c.passed(ctx, truth.Place(), until)
		if err != nil {
			return nil, nil, err
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
			return nil, nil, err
		case !r.hasAll() && attempt < foldAttempts, r.fold().missing.To > 0 && attempt == 1:
			if attempt == foldAttempts-1 || r.fold().missing.To > 0 {
				c.trail = nil // what follows is read as a whole
			}
			if err := sleep(ctx, passedPause); err != nil {
				return nil, nil, err
			}
			continue
		case !r.hasAll():
			return nil, nil, fmt.Errorf("%w: the checkpoint knows %d events, the last that is there is number %d", ErrAltered, r.head, r.fold().passed)
		}
		f := r.fold()
		if c.trail.last == nil || c.trail.last.Attributes().Number == 0 || f.missing.To > 0 {
			c.trail = nil // there is no place to go on from
		}
		if missing := f.missing; missing.To > 0 {
			return nil, nil, fmt.Errorf("the events %s are gone, by retention or because this is a part: what is left does not tell what the tables hold",
				missing)
		}
		out.Events, out.New = r.events, r.events-r.before
		return f.beliefs, known, nil
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
		if d.Row == "" {
			fmt.Fprintf(out, "DIFFERS   %s: the table was %s, and no event says so\n", d.Table, d.Stored)
			continue
		}
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
