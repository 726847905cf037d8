package main

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"
)

const (
	// bearable is the p99 up to which a rate counts as borne, in milliseconds.
	bearable = 100
	// probeFor is the part of a rate's time that a probe takes.
	probeFor = 0.6
	// firstProbe is where the search begins, in changes a second, and leastProbe where it is given up.
	firstProbe = 8000
	leastProbe = 500
)

// saturation is the highest rate that a contender was found to bear: the p99 is at most 100 ms. The database writes the
// same changes on the same cores.
type saturation struct {
	Contender string  `json:"contender"`
	Rate      int     `json:"changes_per_second"` // 0: none of those that were tried
	Probes    []probe `json:"probes"`             // in their order
}

// probe is one rate that was tried.
type probe struct {
	Rate    int     `json:"changes_per_second"`
	Reached float64 `json:"written_per_second"` // by the database
	P99     float64 `json:"p99_ms"`             // 0 when not everything was read in time
	Borne   bool    `json:"borne"`
}

// saturate looks for the highest rate that a contender bears.
func (l *lane) saturate(ctx context.Context, conn *pgx.Conn, p *publisher, r *latencyReader, o options) (*saturation, error) {
	found := &saturation{Contender: l.kind}
	var err error
	found.Rate, err = search(min(firstProbe, o.highest), o.highest, func(rate int) (bool, error) {
		one, err := l.probe(ctx, conn, p, r, rate, time.Duration(probeFor*float64(o.seconds)))
		if err != nil {
			return false, err
		}
		found.Probes = append(found.Probes, one)
		progress("latency of %s at %d/s (%.0f were written): p99 %.1f ms", l.kind, rate, one.Reached, one.P99)
		return one.Borne, nil
	})
	return found, err
}

// search doubles or halves a rate until one is borne and one is not, and then halves between the two until they are an eighth
// apart. It returns the highest that is borne, 0 when none is.
func search(first, most int, bears func(rate int) (bool, error)) (borne int, err error) {
	refused := 0
	for rate := first; rate >= min(leastProbe, first) && rate <= most; {
		ok, err := bears(rate)
		if err != nil {
			return borne, err
		}
		if ok {
			borne = rate
		} else {
			refused = rate
		}
		switch {
		case refused == 0:
			rate *= 2
		case borne == 0:
			rate /= 2
		case refused-borne <= borne/8:
			return borne, nil
		default:
			rate = (borne + refused) / 2
		}
	}
	return borne, nil
}

func (l *lane) probe(ctx context.Context, conn *pgx.Conn, p *publisher, r *latencyReader, rate int, lasting time.Duration) (probe, error) {
	one, err := l.latencyAt(ctx, conn, p, r, rate, lasting)
	if err != nil {
		return probe{}, err
	}
	found := probe{Rate: rate, Reached: float64(one.Written) / one.Seconds, P99: one.P99}
	found.Borne = found.P99 <= bearable && found.Reached >= 0.9*float64(rate)
	return found, nil
}
