package pg

import (
	"strings"
	"testing"

	"lowcap-cdc/cdc"
	"lowcap-cdc/cdc/check"
	"lowcap-cdc/decode"
)

// TestUnfinishedSnapshot: a snapshot that ends early leaves no slot behind, for nothing of it can be in the sink. Where all of it
// was handed on the slot stays, and that is said; so does one that another instance has made since.
func TestUnfinishedSnapshot(t *testing.T) {
	t.Parallel()
	server, err := startServer(t, "") // or transactions of other tests would be waited for, which is told as well
	if err != nil {
		t.Fatal(err)
	}
	const begin = 1
	for name, c := range map[string]struct {
		reads     int // messages of the snapshot; fewer than 0 for all of them
		confirmed bool
		before    func(p *place) // runs before the source is closed
		stays     bool
		told      string
	}{
		"ended early":    {reads: begin},
		"read to an end": {reads: -1, stays: true, told: "whether the sink has its snapshot is not known"},
		"confirmed":      {reads: -1, confirmed: true, stays: true},
		"made anew": {reads: begin, stays: true, before: func(p *place) {
			p.exec(`select pg_drop_replication_slot('` + p.config.Slot + `')`)
			p.exec(rowA)
			p.exec(`select pg_create_logical_replication_slot('` + p.config.Slot + `', 'pgoutput')`)
		}},
		"gone": {reads: begin, before: func(p *place) { p.exec(`select pg_drop_replication_slot('` + p.config.Slot + `')`) }},
	} {
		t.Run(name, func(t *testing.T) {
			p := newPlaceOn(t, server, "")
			var told []string
			p.config.Notice = func(text string) { told = append(told, text) }
			s := New(p.config)
			if _, err := s.Start(t.Context(), startOf()); err != nil {
				t.Fatal(err)
			}
			for n, over := 0, false; n != c.reads && !over; n++ {
				m, err := s.Next(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				_, over = m.(*decode.Commit)
			}
			if c.confirmed {
				s.Confirm(s.unfinished.point)
			}
			if c.before != nil {
				c.before(p)
			}
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			if stays := p.ask(`select count(*) from pg_replication_slots where slot_name = '`+p.config.Slot+`'`) == "1"; stays != c.stays {
				t.Errorf("the slot stays: %v", stays)
			}
			if f := checkSlotState(t.Context(), p.conn, p.config, &cdc.Checkpoint{Slot: p.config.Slot}); c.stays && (f.Severity != check.Warn ||
				!strings.Contains(f.Detail, "was interrupted")) {
				t.Errorf("check: %+v", f)
			}
			if c.told == "" && len(told) > 0 || c.told != "" && (len(told) != 1 || !strings.Contains(told[0], c.told) ||
				!strings.Contains(told[0], "lowcap-cdc teardown")) {
				t.Errorf("told %q, want %q", told, c.told)
			}
		})
	}
}
