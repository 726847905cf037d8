package alerts

import (
	"slices"
	"strings"
	"testing"
)

// metrics are the names that the sidecar serves.
func metrics() []string {
	return strings.Fields(`
		lowcap_cdc_events_total lowcap_cdc_commits_total lowcap_cdc_transactions_total lowcap_cdc_event_bytes_total
		lowcap_cdc_batch_events lowcap_cdc_commit_duration_seconds lowcap_cdc_end_to_end_latency_seconds
		lowcap_cdc_replication_lag_bytes lowcap_cdc_replication_lag_seconds lowcap_cdc_retained_wal_bytes
		lowcap_cdc_slot_loss_seconds lowcap_cdc_images lowcap_cdc_image_bytes lowcap_cdc_restarts_total
		lowcap_cdc_fenced_total lowcap_cdc_gaps_total lowcap_cdc_quarantined_total
		lowcap_cdc_last_emergency_exit_timestamp_seconds lowcap_cdc_leader lowcap_cdc_table_missing
		lowcap_cdc_last_progress_timestamp_seconds lowcap_cdc_committed_lsn_bytes lowcap_cdc_build_info`)
}

// requireMetrics fails unless an expression names metrics, and each is one that the sidecar serves.
func requireMetrics(t *testing.T, place, expr string) {
	t.Helper()
	names := metric.FindAllString(expr, -1)
	if len(names) == 0 {
		t.Errorf("%s: %q names no metric of the sidecar", place, expr)
	}
	for _, name := range names {
		for _, suffix := range []string{"_bucket", "_sum", "_count"} { // of a histogram
			if base := strings.TrimSuffix(name, suffix); slices.Contains(metrics(), base) {
				name = base
			}
		}
		if !slices.Contains(metrics(), name) {
			t.Errorf("%s: there is no metric %s", place, name)
		}
	}
}
