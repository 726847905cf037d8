package notify

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/rs/zerolog"

	"lowcap-cdc/cmd/lowcap-cdc/internal/notify/receiver"
	"lowcap-cdc/cmd/lowcap-cdc/internal/readable"
	"lowcap-cdc/schemas"
)

// longestSaid is how many bytes of a message are sent.
const longestSaid = 2000

// Say sends one message that belongs to no event, once: what another verb has found and somebody is to be woken for. to is
// the single route of its flags.
func Say(ctx context.Context, to *Options, what, detail string) error {
	plan, err := to.plan("")
	if err != nil {
		return err
	}
	routes, err := plan.routes(zerolog.Nop(), newCounts())
	if err != nil {
		return err
	}
	now := time.Now()
	answer := routes[0].send(ctx, &receiver.Message{Severity: schemas.Page, What: what, At: now,
		Reference: fmt.Sprintf("%s/%d", what, now.UnixNano()),
		Facts:     []receiver.Fact{{Name: "detail", Value: readable.Cut(readable.Printable(detail), longestSaid)}}})
	if answer.Kind != receiver.Delivered {
		return errors.New("the receiver answers " + answer.Detail)
	}
	return nil
}
