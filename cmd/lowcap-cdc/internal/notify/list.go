package notify

import (
	"context"
	"errors"
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"lowcap-cdc/cmd/lowcap-cdc/internal/notify/receiver"
	"lowcap-cdc/schemas"
	"lowcap-cdc/sink"
)

// test sends one marked message by each route and prints what each answered.
func (m *messenger) test(ctx context.Context, out io.Writer) error {
	failed := 0
	for _, r := range m.routes {
		now := time.Now()
		answer := r.receiver.Send(ctx, &receiver.Message{Severity: schemas.Info, What: "Test of lowcap-cdc notify, route " + r.name,
			At: now, Link: r.page,
			Facts:     []receiver.Fact{{Name: "meaning", Value: "nothing has happened; somebody ran notify --test"}},
			Reference: fmt.Sprintf("lowcap-cdc/test/%s/%d", r.name, now.UnixNano())}, false)
		fmt.Fprintf(out, "%-20s %-10s %s\n", r.name, answer.Kind, answer.Detail)
		if answer.Kind != receiver.Delivered {
			failed++
		}
	}
	if failed > 0 {
		return fmt.Errorf("%d of %d routes did not deliver", failed, len(m.routes))
	}
	return nil
}

// list prints where each route stands and what waits for it.
func (m *messenger) list(ctx context.Context, out io.Writer) error {
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "ROUTE\tPLACE\tWAITING\tOLDEST")
	for _, l := range m.lanes {
		var waiting int
		var oldest *receiver.Message
		err := m.feed.waiting(ctx, l, func(e *sink.Stored) error {
			a := e.Attributes()
			if !l.isWanted(e, &a) {
				return nil
			}
			if waiting++; oldest == nil {
				oldest = receiver.Of(e, "")
			}
			return nil
		})
		if err != nil {
			return errors.Join(fmt.Errorf("route %s: %w", l.route.name, err), table.Flush())
		}
		what := "-"
		if oldest != nil {
			what = oldest.Title() + ", " + receiver.Ago(oldest.At, time.Now())
		}
		fmt.Fprintf(table, "%s\t%s\t%d\t%s\n", l.route.name, l.place, waiting, what)
	}
	return table.Flush()
}
