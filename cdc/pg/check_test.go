package pg

import (
	"strings"
	"testing"

	"lowcap-cdc/cdc"
	"lowcap-cdc/cdc/check"
)

// finds returns check's finding of a name.
func (p *place) finds(c Config, name string) check.Finding {
	p.t.Helper()
	for _, f := range Check(p.t.Context(), c, &cdc.Checkpoint{}) {
		if f.Name == name {
			return f
		}
	}
	p.t.Fatalf("no finding %q", name)
	return check.Finding{}
}

// TestCheckSaysWhatAnOutageCosts: the WAL rate is measured, and the disk where it is this machine's.
func TestCheckSaysWhatAnOutageCosts(t *testing.T) {
	t.Parallel()
	p := newPlace(t, "")
	f := p.finds(p.config, "outage") // of a server that was started just now
	for _, want := range []string{"max_slot_wal_keep_size is unlimited", "not known yet", "are free"} {
		if f.Severity != check.Warn || !strings.Contains(f.Detail, want) {
			t.Errorf("%s: %q, want %q", f.Severity, f.Detail, want)
		}
	}
	for seconds, want := range map[float64]string{longEnough - 1: "not known yet: 1 GB of WAL were written in the last 15 min; 10 GB are free",
		longEnough: "an hour without the sidecar keeps 4 GB of WAL, as measured over the last 15 min; 10 GB are free, enough for 2 h"} {
		r := retention{written: 1e9, seconds: seconds}
		if text := r.cost() + full(r.rate(), 1e10); !strings.Contains(text, want) {
			t.Errorf("%q, want %q", text, want)
		}
	}
	for _, c := range []struct {
		keeps, written float64
		short          bool
	}{{-1, 1e12, false}, {0, 0, true}, {1 << 20, 0, true}, {50e9, 1e9, false}, {3.9e9, 1e9, true}} {
		if r := (retention{keeps: c.keeps, written: c.written, seconds: longEnough}); r.isShort() != c.short {
			t.Errorf("a limit of %v bytes, %v written in a quarter of an hour: short %v", c.keeps, c.written, r.isShort())
		}
	}
	p.exec(`create role ` + p.name + `weak login`)
	if f := p.finds(p.as(p.name+"weak"), "outage"); f.Severity != check.Warn || strings.Contains(f.Detail, "are free") {
		t.Errorf("a role that may not know the directory: %s %q", f.Severity, f.Detail)
	}
}

// TestCheckSaysWhoMayWriteMessages, and the statements that it prints work.
func TestCheckSaysWhoMayWriteMessages(t *testing.T) {
	t.Parallel()
	server, err := startServer(t, "", "max_slot_wal_keep_size=1GB")
	if err != nil {
		t.Fatal(err)
	}
	p := newPlaceOn(t, server, "")
	p.exec(`create role cdc login`)
	config := p.as("cdc")
	if f := p.finds(config, "messages"); f.Severity != check.Warn || !strings.Contains(f.Repair, "revoke execute on function") {
		t.Errorf("%s %q, run %q", f.Severity, f.Detail, f.Repair)
	}
	if f := p.finds(config, "outage"); f.Severity != check.OK || !strings.Contains(f.Detail, "after 1GB the slot is lost") {
		t.Errorf("%s %q", f.Severity, f.Detail)
	}
	grants, err := Grants(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	for _, sql := range grants {
		p.exec(sql)
	}
	if f := p.finds(config, "messages"); f.Severity != check.OK {
		t.Errorf("after the grants: %s %q", f.Severity, f.Detail)
	}
	p.exec(`create role stranger login`)
	if f := p.finds(p.as("stranger"), "messages"); f.Severity != check.Warn || !strings.Contains(f.Repair, `to "stranger"`) {
		t.Errorf("who may not write: %s %q, run %q", f.Severity, f.Detail, f.Repair)
	}
	if _, err := Now(t.Context(), p.as("stranger")); err != nil {
		t.Errorf("the end of the WAL for who may not write: %v", err)
	}
	p.exec(`create publication lowcap_cdc for table token_timeframe_blocks, lowcap_positions`)
	to := newMemorySink()
	if err := p.runAs(config, to, ""); err != nil {
		t.Errorf("with these rights: %v", err)
	}
}

// TestColumnLeftOut: an optional column that the publication leaves out is missing from the snapshot too, and check says so.
func TestColumnLeftOut(t *testing.T) {
	t.Parallel()
	p := newPlace(t, "")
	p.exec(`insert into lowcap_positions (token_chain, token_contract, timeframe, token_ticker) values ('solana', 'A', '1h', 'TICK');
		alter table lowcap_positions drop close_reason, add close_reason text generated always as ('x') stored`)
	to := newMemorySink()
	p.mustRun(to)
	if f := p.finds(p.config, "table lowcap_positions"); f.Severity != check.Warn || !strings.Contains(f.Detail, "close_reason, which is generated") {
		t.Errorf("%s %q", f.Severity, f.Detail)
	}
	if strings.Contains(to.values[0], `"x"`) {
		t.Errorf("the baseline has what the stream will not bring: %s", to.values[0])
	}
}

// TestSlotOfAnother names its plugin; the one in use names the process, host and application.
func TestSlotOfAnother(t *testing.T) {
	t.Parallel()
	p := newPlace(t, "")
	p.exec(`select pg_create_logical_replication_slot('` + p.config.Slot + `', 'test_decoding')`)
	if f := p.finds(p.config, "slot"); f.Severity != check.Fail || !strings.Contains(f.Detail, `plugin "test_decoding"`) {
		t.Errorf("%s %q", f.Severity, f.Detail)
	}
	p.config.Slot += "_used"
	to := newMemorySink()
	p.background(p.config, to)
	p.until("the slot is used", func() bool {
		return p.ask(`select count(*) from pg_replication_slots where active and slot_name = '`+p.config.Slot+`'`) == "1"
	})
	p.until("it is streaming", func() bool { return strings.Contains(p.finds(p.config, "slot").Detail, "in use by process") })
	if f := p.finds(p.config, "slot"); !strings.Contains(f.Detail, "(application lowcap-cdc, role postgres, from 127.0.0.1)") {
		t.Errorf("%q", f.Detail)
	}
}
