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

const (
	longestSaid = 2000            // bytes of a fact
	sayAttempts = 3               // a message that is lost here is not sent again
	sayPause    = time.Second     // between two attempts; a receiver may ask for more
	longestSay  = 5 * time.Second // of what it asks for: another verb waits
)

// Fact is one line of a message.
type Fact = receiver.Fact

// Teller tells one route what belongs to no event: what another verb has found.
type Teller struct{ route *route }

// NewTeller returns the teller of the route with a name, in the configuration file, or of the single route of the flags when the
// name is empty. It does not connect.
func NewTeller(to *Options, config, name string) (*Teller, error) {
	plan, err := to.plan(config)
	if err != nil {
		return nil, err
	}
	routes, err := plan.routes(zerolog.Nop(), newCounts())
	if err != nil {
		return nil, err
	}
	for _, r := range routes {
		if name == "" || r.name == name {
			return &Teller{r}, nil
		}
	}
	return nil, fmt.Errorf("the file of --config has no route %q", name)
}

// Name returns the name of the route.
func (t *Teller) Name() string { return t.route.name }

// Say sends one message, three times at most. reference is the same for each copy of the message, and of no other.
func (t *Teller) Say(ctx context.Context, severity schemas.Severity, what, reference string, facts ...Fact) error {
	m := &receiver.Message{Severity: severity, What: what, At: time.Now(), Reference: "lowcap-cdc/" + reference}
	for _, f := range facts {
		m.Facts = append(m.Facts, Fact{Name: f.Name, Value: readable.Cut(readable.Printable(f.Value), longestSaid)})
	}
	for attempt := 1; ; attempt++ {
		answer := t.route.attempt(ctx, m)
		if answer.Kind == receiver.Delivered {
			return nil
		}
		if attempt == sayAttempts || ctx.Err() != nil {
			return errors.New("the receiver answers " + answer.Detail)
		}
		m.Repeat = m.Repeat || answer.Arrived
		sleep(ctx, min(max(sayPause, answer.After), longestSay))
	}
}
