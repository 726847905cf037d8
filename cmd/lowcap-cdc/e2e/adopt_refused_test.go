package e2e

import (
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// TestAdoptRefuses: a server that is not the history's is refused, nothing happens without a yes, and nothing beside a reader.
func TestAdoptRefuses(t *testing.T) {
	t.Parallel()
	s, other := newSite(t), newSite(t)
	s.seedPositions(3)
	sink, events := s.file("x")
	s.drain("k", sink)
	before := len(events())
	adopt := func(dsn, answer string, args ...string) (string, int) {
		cmd := exec.CommandContext(t.Context(), shared.binary,
			append([]string{"reconcile", "--postgres", dsn, "--sink", sink, "--slot", s.name + "k"}, args...)...)
		cmd.Stdin = strings.NewReader(answer)
		out, _ := cmd.CombinedOutput()
		return string(out), cmd.ProcessState.ExitCode()
	}
	foreign := shared.postgres.DSN(other.name)
	other.exec(`insert into lowcap_positions (token_chain, token_contract, timeframe) values ('s', 'X', '1h'), ('s', 'Y', '1h')`)
	for _, c := range []struct {
		name, dsn, answer string
		args              []string
		code              int
		says              []string
	}{
		{"another database with other rows", foreign, "", []string{"--adopt", "--yes"}, 3, []string{"3 known rows this server has 0", "--even-so", "against"}},
		{"the slot of another database", foreign, "", []string{"--adopt", "--yes", "--even-so"}, 3, []string{"in database", "pg_drop_replication_slot"}},
		{"no answer", foreign, "", []string{"--adopt", "--even-so"}, 2, []string{"nothing was adopted", "another database name"}},
		{"a wrong answer", foreign, "yes\n", []string{"--adopt", "--even-so"}, 2, []string{"nothing was adopted"}},
		{"--even-so alone", foreign, "", []string{"--even-so"}, 2, []string{"--even-so is for --adopt"}},
		{"the server of the history", s.dsn(), "", []string{"--adopt"}, 0, []string{"nothing is to be adopted"}},
	} {
		out, code := adopt(c.dsn, c.answer, c.args...)
		if code != c.code || slices.ContainsFunc(c.says, func(part string) bool { return !strings.Contains(out, part) }) || len(events()) != before {
			t.Errorf("%s: exit %d, %d events: %s", c.name, code, len(events())-before, out)
		}
	}
	s.waitForFreeSlot("k")
	s.exec(`select pg_drop_replication_slot($1)`, s.name+"k")
	if out, code := adopt(s.dsn(), "", "--adopt"); code != 3 || !strings.Contains(out, "run: lowcap-cdc reconcile\n") {
		t.Errorf("a lost slot on the server of the history: exit %d: %s", code, out)
	}
	if out, code := adopt(foreign, s.name+"k\n", "--adopt", "--even-so"); code != 0 || len(events()) == before {
		t.Errorf("with the slot's name: exit %d: %s", code, out)
	}
	empty, _ := s.file("empty")
	cmd := exec.CommandContext(t.Context(), shared.binary, "reconcile", "--adopt", "--postgres", foreign, "--sink", empty, "--slot", s.name+"e")
	if out, _ := cmd.CombinedOutput(); cmd.ProcessState.ExitCode() != 3 && cmd.ProcessState.ExitCode() != 1 {
		t.Errorf("without a history: exit %d: %s", cmd.ProcessState.ExitCode(), out)
	}
	s.waitForFreeSlot("k")
	other.exec(`select pg_drop_replication_slot($1)`, s.name+"k")
}

// TestClaimElsewhere: a first start that was killed before anything was in the sink binds it to no server. (Found by the
// simulation: run named reconcile --adopt, which named run.)
func TestClaimElsewhere(t *testing.T) {
	t.Parallel()
	s, other := newSite(t), newSite(t)
	other.seedPositions(2)
	sink, events := s.file("x")
	s.crash(sink, "after-claim")
	other.drain("k", sink, "--slot", s.name+"k")
	if got := namesOf(decodeSaid(t, events())); !slices.Equal(got, []string{"position.baseline", "position.baseline"}) {
		t.Errorf("events %q", got)
	}
}
