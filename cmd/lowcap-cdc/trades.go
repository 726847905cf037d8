package main

import (
	"fmt"
	"time"

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
	log := s.Logger(std.Err)
	known := 0
	fold := trades.New(func(t *trades.Trade) error {
		if !t.IsOf(c.Token) {
			return nil
		}
		known++
		if c.Open && !t.IsOpen() || !t.IsOpen() && !since.Precedes(t.Ending()) {
			return nil
		}
		if !c.JSON {
			return t.Print(std.Out)
		}
		if settings.IsTerminal(std.Out) {
			return t.PrintJSON(std.Out, settings.PrintableJSON)
		}
		return t.PrintJSON(std.Out, func(text []byte) []byte { return text })
	})
	whole := wholeness{warn: func(text string) { log.Warn().Msg(text) }}
	wanted := sink.Range{Damaged: func(damage error) error {
		log.Warn().Msg(settings.OneLine(damage.Error()) + "; what can be read of it is")
		return nil
	}}
	err = reader.ReadEvents(ctx, wanted, func(e *sink.Stored) error {
		if !gjson.ValidBytes(e.Value) {
			log.Warn().Msgf("%s at %d is no JSON; it is passed over", e.Topic, e.Offset)
			return nil
		}
		a := e.Attributes()
		whole.follow(a.Number, a.Type.Name(), e.Value)
		if err := fold.Take(&a, e.Value); err != nil {
			return err
		}
		return ctx.Err()
	})
	if err == nil {
		err = fold.End()
	}
	if err == nil && known == 0 && c.Token != "" {
		return fmt.Errorf("no committed event tells of a trade of %q; run: lowcap-cdc trades, to see which there are", c.Token)
	}
	return err
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
