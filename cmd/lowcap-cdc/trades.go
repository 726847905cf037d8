package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/rs/zerolog"
	"github.com/tidwall/gjson"

	"lowcap-cdc/cmd/lowcap-cdc/internal/settings"
	"lowcap-cdc/cmd/lowcap-cdc/internal/trades"
	"lowcap-cdc/sink"
)

type tradesCommand struct {
	Token string `arg:"" optional:"" help:"Only this token: a ticker, a contract, a position's id, or chain/contract/timeframe." placeholder:"TOKEN"`
	Since string `help:"Only trades that were open then, or later: an age, a time, or an LSN." placeholder:"1h|TIME|LSN"`
	Open  bool   `help:"Only trades that are open."`
	JSON  bool   `help:"Print each trade as one JSON object a line." name:"json"`
}

// Run prints trades: those that ended in the order of their ends, then those that are open. It reads all events, since a trade
// may have begun long before it is of interest.
func (c *tradesCommand) Run(s *settings.Settings, std *settings.Streams) error {
	since, err := settings.ParsePoint(c.Since, time.Now())
	if err != nil {
		return err
	}
	ctx, reader, done, err := s.ReadUntilSignal(std)
	if err != nil {
		return err
	}
	defer done()
	if since, err = since.On(ctx, reader); err != nil {
		return err
	}
	known := 0
	fold := trades.New(func(t *trades.Trade) error {
		if !t.IsOf(c.Token) {
			return nil
		}
		known++
		if c.Open && !t.IsOpen() || !t.IsOpen() && !since.Precedes(t.Ending()) {
			return nil
		}
		return c.print(std.Out, t)
	})
	if err := readTrades(ctx, reader, fold, s.Logger(std.Err)); err != nil {
		return err
	}
	if known == 0 && c.Token != "" {
		return fmt.Errorf("no committed event tells of a trade of %q; run: lowcap-cdc trades, to see which there are", c.Token)
	}
	return nil
}

func (c *tradesCommand) print(out io.Writer, t *trades.Trade) error {
	switch {
	case !c.JSON:
		return t.Print(out)
	case settings.IsTerminal(out):
		return t.PrintJSON(out, settings.PrintableJSON)
	}
	return t.PrintJSON(out, func(text []byte) []byte { return text })
}

// readTrades folds all events. What is no event, or is gone, is said in one line, and reading goes on.
func readTrades(ctx context.Context, reader sink.Reader, fold *trades.Fold, log zerolog.Logger) error {
	whole := wholeness{warn: func(text string) { log.Warn().Msg(text) }}
	err := reader.ReadEvents(ctx, sink.Range{}, func(e *sink.Stored) error {
		if !gjson.ValidBytes(e.Value) {
			whole.warn(fmt.Sprintf("%s at %d is no JSON; it is passed over", e.Topic, e.Offset))
			return nil
		}
		a := e.Attributes()
		whole.follow(a.Number, a.Type.Name(), e.Value)
		return errors.Join(fold.Take(&a, e.Value), ctx.Err())
	})
	if err := errors.Join(err, ctx.Err()); err != nil {
		return err // what has not been read may end what looks open
	}
	return fold.End()
}

// wholeness says what the events do not tell.
type wholeness struct {
	warn func(string)
	last uint64
}

// follow warns where events are gone, and where changes were never seen: trades look emptier then than they were.
func (w *wholeness) follow(number uint64, name string, event []byte) {
	if number > w.last+1 {
		w.warn(fmt.Sprintf("the events %d to %d are gone: trades that they tell of are shown without what they say", w.last+1, number-1))
	}
	w.last = number
	if name == "stream.gap" {
		from, to := gjson.GetBytes(event, "data.from_time").String(), gjson.GetBytes(event, "data.to_time").String()
		w.warn(fmt.Sprintf("between %s and %s changes were never seen: fills of then are in no trade", settings.OneLine(from), settings.OneLine(to)))
	}
}
