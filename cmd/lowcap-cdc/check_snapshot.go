package main

import (
	"context"
	"fmt"
	"time"

	"lowcap-cdc/cdc"
	"lowcap-cdc/cdc/check"
	"lowcap-cdc/cdc/pg"
	"lowcap-cdc/cmd/lowcap-cdc/internal/settings"
	"lowcap-cdc/sink/kafka"
)

// writingTakes is how much longer a snapshot takes to be written than to be read, where nothing is known of the brokers.
const writingTakes = 3

// checkSnapshot measures whether a snapshot, the first one or a reconcile's, fits into one transaction of the brokers.
func checkSnapshot(ctx context.Context, s *settings.Settings, to cdc.Sink) []check.Finding {
	k, ok := to.(*kafka.Sink)
	if !ok {
		return nil // nothing else bounds one
	}
	limit, known, err := k.TransactionLimit(ctx)
	var pace pg.Pace
	if err == nil {
		pace, err = pg.MeasurePace(ctx, s.Source())
	}
	if err != nil {
		return []check.Finding{{Name: "snapshot", Severity: check.Warn, Detail: "cannot be measured: " + err.Error(), Repair: "lowcap-cdc check"}}
	}
	return []check.Finding{snapshotFinding(pace, limit, known)}
}

// snapshotFinding judges the pace by the limit.
func snapshotFinding(pace pg.Pace, limit time.Duration, known bool) check.Finding {
	allows := fmt.Sprintf("the brokers allow %v", limit)
	if !known {
		allows = fmt.Sprintf("brokers allow %v unless told otherwise; what these allow may not be read", limit)
	}
	f := check.Finding{Name: "snapshot", Severity: check.OK, Detail: fmt.Sprintf("%d rows, read from here in about %v, and written in one transaction; %s",
		pace.Rows, pace.Reading.Round(time.Second), allows)}
	switch {
	case pace.Reading > limit:
		f.Severity = check.Fail
	case writingTakes*pace.Reading > limit:
		f.Severity = check.Warn
	default:
		return f
	}
	f.Repair = kafka.RaiseTransactions(cdc.Rows{}, pace.Reading)
	return f
}
