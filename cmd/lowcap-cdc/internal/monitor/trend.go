package monitor

import (
	"math"
	"time"

	"lowcap-cdc/cdc/pg"
)

const (
	trendWindow  = 5 * time.Minute  // over which the growth of the retained WAL is measured
	trendAtLeast = 30 * time.Second // before which no growth is told
	trendSamples = 256              // kept; a sink that is further behind than they reach shows the oldest one's age
)

// trend remembers what the server said of the slot, to tell how fast things change. It counts in the server's clock.
type trend struct{ samples []pg.Inspection }

func (t *trend) add(s pg.Inspection) {
	t.samples = append(t.samples, s)
	for len(t.samples) > 1 && t.samples[0].WALEnd <= s.Confirmed && s.At.Sub(t.samples[0].At) > trendWindow {
		t.samples = t.samples[1:]
	}
	if len(t.samples) == trendSamples {
		t.thin()
	}
}

// thin drops every second sample of the older half and keeps the first, from which the lag of a long outage counts.
func (t *trend) thin() {
	kept := t.samples[:1]
	for i := 1; i < len(t.samples); i++ {
		if i >= trendSamples/2 || i%2 == 0 {
			kept = append(kept, t.samples[i])
		}
	}
	t.samples = kept
}

func (t *trend) last() *pg.Inspection { return &t.samples[len(t.samples)-1] }

// lag is how long ago the WAL ended where everything is confirmed now: 0 when that is its end, otherwise the age of
// the first sample whose WAL reaches further.
func (t *trend) lag() time.Duration {
	if len(t.samples) == 0 || t.last().Behind() == 0 {
		return 0
	}
	now := t.last()
	for i := range t.samples {
		if t.samples[i].WALEnd > now.Confirmed {
			return max(0, now.At.Sub(t.samples[i].At))
		}
	}
	return 0
}

// loss is the time in seconds until the server removes WAL that the slot needs; see lowcap_cdc_slot_loss_seconds.
func (t *trend) loss() float64 {
	if len(t.samples) == 0 || !t.last().Exists {
		return math.Inf(1)
	}
	now := t.last()
	switch {
	case now.WALStatus == "lost":
		return 0
	case now.Safe == nil:
		return math.Inf(1)
	case *now.Safe <= 0:
		return 0
	}
	for i := range t.samples {
		then := &t.samples[i]
		age := now.At.Sub(then.At)
		if age > trendWindow || !then.Exists {
			continue
		}
		if grown := now.Retained - then.Retained; age >= trendAtLeast && grown > 0 {
			return float64(*now.Safe) / float64(grown) * age.Seconds()
		}
		return math.Inf(1)
	}
	return math.Inf(1)
}
