package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/tidwall/gjson"

	"lowcap-cdc/cdc"
	"lowcap-cdc/schemas"
	sinks "lowcap-cdc/sink"
	"lowcap-cdc/sink/file"
)

// comparing starts audit compare as a service.
func (s *site) comparing(sink string, args ...string) (*exec.Cmd, *comparisons) {
	s.t.Helper()
	cmd := exec.CommandContext(s.t.Context(), shared.binary, append([]string{"audit", "compare", "--sink", sink, "--postgres", s.dsn(),
		"--slot", s.name + "k", "--topic-prefix", s.name + ".", "--every", "1s", "--json"}, args...)...)
	out := &comparisons{twice: make(chan struct{})}
	cmd.Stdout, cmd.Stderr = out, os.Stderr
	if err := cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	return cmd, out
}

// comparisons is what a service has printed.
type comparisons struct {
	text  bytes.Buffer
	twice chan struct{} // closed when it has compared twice
	done  bool
}

// Write implements io.Writer.
func (c *comparisons) Write(p []byte) (int, error) {
	c.text.Write(p)
	if !c.done && bytes.Count(c.text.Bytes(), []byte(`"new_events"`)) > 1 {
		c.done = true
		close(c.twice)
	}
	return len(p), nil
}

// stopComparing expects of a service that it has compared more than once, found no difference, and folded no event twice.
func (s *site) stopComparing(daemon *exec.Cmd, out *comparisons) {
	s.t.Helper()
	select {
	case <-out.twice:
	case <-time.After(patience):
		s.t.Fatal("it did not compare twice")
	}
	if err := daemon.Process.Signal(syscall.SIGTERM); err != nil {
		s.t.Fatal(err)
	}
	if err := daemon.Wait(); err != nil {
		s.t.Error(err)
	}
	times, folded, last := 0, int64(0), int64(0)
	for decoder := json.NewDecoder(&out.text); ; times++ {
		var one json.RawMessage
		if decoder.Decode(&one) != nil {
			break
		}
		found := gjson.GetManyBytes(one, "differences", "events", "new_events")
		if found[0].Int() != 0 {
			s.t.Errorf("it differs: %s", one)
		}
		last, folded = found[1].Int(), folded+found[2].Int()
	}
	if folded != last {
		s.t.Errorf("%d comparisons of %d events have folded %d", times, last, folded)
	}
}

// relay is a sink that holds what another one does, but for what it swallows: as a sidecar would that loses an event.
type relay struct {
	s     *site
	dir   string
	to    *file.Sink
	chain schemas.Chain
	given int
}

// begin makes the sink anew, empty.
func (r *relay) begin() {
	r.s.t.Helper()
	r.end()
	if err := os.RemoveAll(r.dir); err != nil {
		r.s.t.Fatal(err)
	}
	var err error
	if r.to, err = file.New(r.dir, file.Options{}); err != nil {
		r.s.t.Fatal(err)
	}
	if err := r.to.Resume(r.s.t.Context(), func(string, []byte) error { return nil }); err != nil {
		r.s.t.Fatal(err)
	}
	r.chain, r.given = schemas.Chain{}, 0
}

func (r *relay) end() {
	if r.to != nil {
		r.to.Close() //nolint:errcheck // every commit is durable
	}
}

// pass passes on what is new, but for one event.
func (r *relay) pass(all []string, but int) {
	r.s.t.Helper()
	batch := &cdc.Batch{}
	for ; r.given < len(all); r.given++ {
		if r.given == but {
			continue
		}
		number, hash := r.chain.Next()
		text := all[r.given]
		text = strings.Replace(text, `"number":"`+gjson.Get(text, "number").String()+`"`, fmt.Sprintf(`"number":"%d"`, number), 1)
		text = strings.Replace(text, `"chain":"`+gjson.Get(text, "chain").String()+`"`, `"chain":"`+hash+`"`, 1)
		r.chain.Add(number, []byte(text))
		stored := &sinks.Stored{Value: []byte(text)}
		batch.Events = append(batch.Events, cdc.Event{Attributes: stored.Attributes(), Value: stored.Value})
	}
	parts := strings.Split(gjson.Get(all[0], "source").String(), "/")
	value, err := json.Marshal(cdc.Checkpoint{Identity: cdc.Identity{SystemID: parts[2], Database: parts[3]}, Slot: r.s.name + "k",
		Events: r.chain, LSN: 1 << 60})
	if err != nil {
		r.s.t.Fatal(err)
	}
	batch.State = []cdc.StateRecord{{Key: cdc.CheckpointKey, Value: value}}
	if err := r.to.Commit(context.Background(), batch); err != nil {
		r.s.t.Fatal(err)
	}
}

var gauge = regexp.MustCompile(`(?m)^lowcap_cdc_compare_(differences|last_timestamp_seconds) (\S+)$`)

// compareMetrics returns what the service says: how many differences there are, and when it looked last.
func compareMetrics(address string) (differences, at float64) {
	response, err := http.Get("http://" + address + "/metrics")
	if err != nil {
		return 0, 0 // it is not there yet
	}
	defer response.Body.Close() //nolint:errcheck // it was read
	var text bytes.Buffer
	text.ReadFrom(response.Body) //nolint:errcheck // what is missing is zero
	for _, found := range gauge.FindAllStringSubmatch(text.String(), -1) {
		value, _ := strconv.ParseFloat(found[2], 64) //nolint:errcheck // what is missing is zero
		if found[1] == "differences" {
			differences = value
		} else {
			at = value
		}
	}
	return differences, at
}

// awaitCompared waits until a comparison that began now has ended as it should.
func awaitCompared(t *testing.T, address string, what string, isRight func(differences float64) bool) {
	t.Helper()
	tick, begun := time.NewTicker(50*time.Millisecond), time.Now()
	defer tick.Stop()
	_, first := compareMetrics(address)
	for changed, last := 0, first; ; <-tick.C {
		differences, at := compareMetrics(address)
		if at != last {
			changed, last = changed+1, at
		}
		if changed >= 2 && isRight(differences) {
			return
		}
		if time.Since(begun) > patience {
			t.Fatalf("%s: %v differences after %s and %d comparisons", what, differences, patience, changed)
		}
	}
}

// TestCompareDaemonFindsMutants swallows ten events, each of another kind, under a service that compares: its metric says so, and
// says that all is well when the trail is whole again.
func TestCompareDaemonFindsMutants(t *testing.T) {
	s := newSite(t)
	s.live()
	sink, events := s.file("x")
	s.drain("k", sink)
	r := &relay{s: s, dir: filepath.Join(t.TempDir(), "relayed")}
	r.begin()
	defer func() { r.end() }()
	r.pass(events(), -1)
	address := freeAddress(t)
	daemon, _ := s.comparing("file:"+r.dir, "--metrics", address)
	defer func() { daemon.Process.Kill(); daemon.Wait() }() //nolint:errcheck // it is killed
	none := func(differences float64) bool { return differences == 0 }
	some := func(differences float64) bool { return differences > 0 }
	awaitCompared(t, address, "before", none)
	history := func(key, value string) string {
		return fmt.Sprintf(`update lowcap_positions set features = jsonb_set(coalesce(features, '{"pm_execution_history":{}}'),
			'{pm_execution_history,%s}', '%s') where token_contract = 'MUTANT'`, key, value)
	}
	for kind, statement := range [][2]string{
		{"entry_block.set", `insert into token_timeframe_blocks (token_contract, token_chain, timeframe, blocked_s1, last_s1_failure_ts)
			values ('MUTANT', 'solana', '1h', true, now())`},
		{"entry_block.cleared", `update token_timeframe_blocks set blocked_s1 = false where token_contract = 'MUTANT'`},
		{"entry_block.deleted", `delete from token_timeframe_blocks where token_contract = 'MUTANT'`},
		{"position.created", `insert into lowcap_positions (token_chain, token_contract, timeframe) values ('solana', 'MUTANT', '1h')`},
		{"position.status_changed", `update lowcap_positions set status = 'paused' where token_contract = 'MUTANT'`},
		{"trade.opened", `update lowcap_positions set current_trade_id = gen_random_uuid() where token_contract = 'MUTANT'`},
		{"execution.buy_recorded", history("last_s1_buy", `{"timestamp":"2026-01-18T11:00:00Z","price":1}`)},
		{"trim_pool.opened", history("trim_pool", `{"usd_basis":77}`)},
		{"execution.trim_signaled", history("last_trim_signal", `{"timestamp":"2026-01-19T11:00:00Z"}`)},
		{"position.deleted", `delete from lowcap_positions where token_contract = 'MUTANT'`},
	} {
		s.exec(statement[1])
		s.drain("k", sink)
		all := events()
		but := len(all) - 1
		for but >= r.given && gjson.Get(all[but], "type").String() != "lowcap."+statement[0]+".v1" {
			but--
		}
		if but < r.given {
			t.Fatalf("mutant %d: no event %s came", kind, statement[0])
		}
		r.pass(all, but)
		awaitCompared(t, address, "without "+statement[0], some)
		r.begin()
		r.pass(all, -1)
		awaitCompared(t, address, "with "+statement[0], none)
	}
}
