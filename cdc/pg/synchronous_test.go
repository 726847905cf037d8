package pg

import (
	"strings"
	"testing"
	"time"

	"lowcap-cdc/cdc/check"
)

// TestStandbyNames reads synchronous_standby_names as the server does.
func TestStandbyNames(t *testing.T) {
	t.Parallel()
	for setting, good := range map[string]bool{
		"": true, "s1": true, "FIRST 1 (s1, s2)": true, `ANY 2 (s1,"a, * b",s2)`: true, `"lowcap""-cdc"`: true, "lowcap_cdc": true, "s*": true,
		"*": false, "FIRST 1 (*)": false, `2 (s1, *)`: false, `"lowcap-cdc"`: false, `s1, "LOWCAP-cdc"`: false, `ANY 1 ("x", "lowcap-cdc")`: false, `"*"`: false,
		`"unfinished`: true,
	} {
		if err := (&catalog{standbys: setting}).checkStandby(); (err == nil) != good {
			t.Errorf("%s: %v", setting, err)
		}
	}
}

// TestNoSynchronousStandby: the bot's commits never wait for the sidecar, and the sidecar's never for a standby.
func TestNoSynchronousStandby(t *testing.T) {
	t.Parallel()
	server, err := startServer(t, "")
	if err != nil {
		t.Fatal(err)
	}
	p := newPlaceOn(t, server, "")
	p.exec(rowA + `set synchronous_commit = local`)
	p.exec(`alter system set synchronous_standby_names = 'absent'`)
	p.exec(`select pg_reload_conf()`)
	p.until("the setting holds", func() bool { return p.ask(`select current_setting('synchronous_standby_names')`) == "absent" })
	to := newMemorySink()
	p.mustRun(to)
	p.exec(`alter publication lowcap_cdc drop table token_timeframe_blocks`)
	if got := p.mustRun(to); got != "table.missing" {
		t.Errorf("markers wait for a standby that is away: %q", got)
	}
	if f := p.finds(p.config, "synchronous standby"); f.Severity != check.OK {
		t.Errorf("%s %q", f.Severity, f.Detail)
	}
	c := p.config
	c.Slot += "_live"
	live, ended := newMemorySink(), make(chan error, 1)
	go func() { ended <- p.runUntil(c, live, 1<<62) }()
	p.until("it streams", func() bool {
		return p.ask(`select count(*) from pg_stat_replication where state = 'streaming'`) == "1"
	})
	p.exec(`alter system set synchronous_standby_names = '*'`)
	p.exec(`select pg_reload_conf()`)
	select {
	case err := <-ended:
		if !IsPermanent(err) || !strings.Contains(err.Error(), "synchronous standby") {
			t.Errorf("it ends with %v", err)
		}
	case <-time.After(patience):
		t.Error("it stays a synchronous standby")
	}
	if err := p.run(to); !IsPermanent(err) || !strings.Contains(err.Error(), "bot's commits would wait") {
		t.Errorf("run: %v", err)
	}
	if _, err := Setup(t.Context(), p.config, false); !IsPermanent(err) {
		t.Errorf("init: %v", err)
	}
	if f := p.finds(p.config, "synchronous standby"); f.Severity != check.Fail {
		t.Errorf("check: %s %q", f.Severity, f.Detail)
	}
}
