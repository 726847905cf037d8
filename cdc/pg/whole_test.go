package pg

import (
	"errors"
	"strings"
	"testing"

	"lowcap-cdc/cdc"
)

// handOver runs the last pipeline of a handover.
func (p *place) handOver(to *memorySink) error {
	p.t.Helper()
	until, err := Now(p.t.Context(), p.config)
	if err != nil {
		p.t.Fatal(err)
	}
	p.released(p.config.Slot)
	config := p.config
	config.Still, config.Whole = true, true
	from := New(config)
	defer from.Close() //nolint:errcheck // the test looks at the sink
	return (&cdc.Pipeline{Source: from, Sink: to, Slot: config.Slot, Until: until, HandOver: true}).Run(p.t.Context())
}

// TestHandOverLooksAtTheTables: what came and went in a table that was out of the stream, seen by nobody, is not handed over as if it
// had been told. When it is told, the server is handed over.
func TestHandOverLooksAtTheTables(t *testing.T) {
	t.Parallel()
	p := newPlace(t, "")
	to := newMemorySink()
	p.mustRun(to)
	p.exec("alter publication lowcap_cdc drop table token_timeframe_blocks; " + rowA + "delete from token_timeframe_blocks; " +
		"alter publication lowcap_cdc add table token_timeframe_blocks")
	err := p.handOver(to)
	if permanent := new(Permanent); !errors.As(err, &permanent) || !strings.Contains(err.Error(), "run: lowcap-cdc run") {
		t.Errorf("handed over: %v", err)
	}
	if strings.Contains(string(to.state[cdc.CheckpointKey]), "HandedOver") {
		t.Errorf("the sink says %s", to.state[cdc.CheckpointKey])
	}
	told := p.mustRun(to) + " " + p.mustRun(to)
	if told != "table.missing table.present stream.gap" {
		t.Errorf("told %q", told)
	}
	if err := p.handOver(to); err != nil || !strings.Contains(string(to.state[cdc.CheckpointKey]), "HandedOver") {
		t.Errorf("then: %v, %s", err, to.state[cdc.CheckpointKey])
	}
}
