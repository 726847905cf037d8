package monitor

import (
	"math"
	"testing"
	"time"

	"lowcap-cdc/cdc/pg"
	"lowcap-cdc/decode"
)

// outage makes samples of a sink that confirms nothing while the server writes a megabyte a second.
func outage(seconds int, safe *int64) *trend {
	t := &trend{}
	begun := time.Unix(1700000000, 0)
	for at := 0; at <= seconds; at += 5 {
		written := int64(at) << 20
		s := pg.Inspection{At: begun.Add(time.Duration(at) * time.Second), Exists: true, WALStatus: "reserved",
			WALEnd: decode.LSN(100<<20 + written), Confirmed: 100 << 20, Retained: 1<<20 + written}
		if safe != nil {
			left := *safe - written
			s.Safe = &left
		}
		t.add(s)
	}
	return t
}

func TestLagDuringAnOutage(t *testing.T) {
	for _, seconds := range []int{60, 1200, 36000} {
		got := outage(seconds, nil).lag().Seconds()
		if want := float64(seconds); math.Abs(got-want) > 0.02*want+5 {
			t.Errorf("after %d s the lag is %v s", seconds, got)
		}
	}
	caughtUp := outage(600, nil)
	last := *caughtUp.last()
	last.Confirmed = last.WALEnd
	caughtUp.add(last)
	if lag := caughtUp.lag(); lag != 0 {
		t.Errorf("a sink that has everything lags by %v", lag)
	}
}

func TestTimeToLoss(t *testing.T) {
	safe := int64(3600 << 20)
	if got := outage(600, &safe).loss(); math.Abs(got-3000) > 1 {
		t.Errorf("3000 MB at 1 MB/s last %v s", got)
	}
	for name, samples := range map[string]*trend{"no samples": {}, "no limit": outage(600, nil), "too early": outage(20, &safe)} {
		if got := samples.loss(); !math.IsInf(got, 1) {
			t.Errorf("%s: %v", name, got)
		}
	}
	lost := outage(600, &safe)
	lost.last().WALStatus = "lost"
	if got := lost.loss(); got != 0 {
		t.Errorf("a lost slot has %v s left", got)
	}
	small := int64(60 << 20)
	if got := outage(600, &small).loss(); got != 0 {
		t.Errorf("a slot past its limit has %v s left", got)
	}
}
