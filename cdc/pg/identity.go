package pg

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/jackc/pglogrepl"

	"lowcap-cdc/cdc"
	"lowcap-cdc/decode"
)

// checkIdentity makes sure that the server continues the history that the sink's state belongs to: the same system and
// database, and a timeline that left the known one only after the checkpoint.
func (s *Source) checkIdentity(ctx context.Context, known cdc.Checkpoint) error {
	found := s.identity
	if err := known.CheckSource(s.config.Slot, found); err != nil {
		return err
	}
	switch {
	case known.SystemID == "":
		return nil
	case found.Timeline < known.Timeline:
		return permanentf("the server is on timeline %d, the sink's state is of timeline %d: it was restored to an earlier point; %s",
			found.Timeline, known.Timeline, restoredAdvice)
	case found.Timeline == known.Timeline || known.LSN == 0:
		return nil
	}
	history, err := pglogrepl.TimelineHistory(ctx, s.repl, found.Timeline)
	if err != nil {
		return fmt.Errorf("read history of timeline %d: %s", found.Timeline, message(err))
	}
	if end, ended := endOfTimeline(string(history.Content), known.Timeline); !ended || end < known.LSN {
		return permanentf("the server is on timeline %d, which left timeline %d at %s, before the sink's checkpoint %s: it has lost changes that were published; %s",
			found.Timeline, known.Timeline, end, known.LSN, restoredAdvice)
	}
	return nil
}

const restoredAdvice = "to go on from what it has now, run: lowcap-cdc reconcile"

// endOfTimeline finds where a timeline was left, in a history file: lines of number, LSN and reason, oldest first
// (PostgreSQL manual, "Timelines").
func endOfTimeline(history string, timeline int32) (end decode.LSN, ended bool) {
	for line := range strings.Lines(history) {
		fields := strings.Fields(line)
		if len(fields) < 2 {
			continue
		}
		number, err := strconv.ParseInt(fields[0], 10, 32)
		if err != nil || int32(number) != timeline {
			continue
		}
		if end, err := decode.ParseLSN(fields[1]); err == nil {
			return end, true
		}
	}
	return 0, false
}
