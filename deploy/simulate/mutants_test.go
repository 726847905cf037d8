package simulate

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var (
	findMutants = flag.Bool("mutants", false, "run TestMutants, which builds the sidecar with each fault of the list and counts seeds until one is found")
	only        = flag.String("mutant", "", "run TestMutants with this one only")
)

// mutant is a fault that somebody might build into the product.
type mutant struct {
	name, file, is, becomes string
}

// mutants are tried by TestMutants. Each text stands once in its file.
var mutants = []mutant{
	{"events before state, each in a transaction", "sink/kafka/sink.go",
		"	if err := k.write(ctx, records, batch.More); err != nil {",
		`	apart := make(map[partition][]record)
	for at, all := range records {
		if at.topic == k.stateTopic() && !batch.More {
			apart[at] = all
			delete(records, at)
		}
	}
	if len(apart) > 0 && len(records) > 0 {
		if err := k.write(ctx, records, false); err != nil {
			return err
		}
		records = apart
	} else if len(apart) > 0 {
		records = apart
	}
	if err := k.write(ctx, records, batch.More); err != nil {`},
	{"state before events, each in a transaction", "sink/kafka/sink.go",
		"	if err := k.write(ctx, records, batch.More); err != nil {",
		`	apart := make(map[partition][]record)
	for at, all := range records {
		if at.topic == k.stateTopic() && !batch.More && len(records) > 1 {
			apart[at] = all
			delete(records, at)
		}
	}
	if len(apart) > 0 {
		if err := k.write(ctx, apart, false); err != nil {
			return err
		}
	}
	if err := k.write(ctx, records, batch.More); err != nil {`},
	{"the epoch is not raised after a request without an answer", "sink/kafka/sink.go",
		"k.producer.unanswered || k.producer.timeout != k.producer.usual", "k.producer.timeout != k.producer.usual"},
	{"the state is read before older writers are fenced", "sink/kafka/sink.go",
		`	if err := k.producer.init(ctx); err != nil {
		return err
	}
	if err := k.readState(ctx, k.producer.partitions[k.stateTopic()], load); err != nil {
		return err
	}`, `	if err := k.readState(ctx, k.producer.partitions[k.stateTopic()], load); err != nil {
		return err
	}
	if err := k.producer.init(ctx); err != nil {
		return err
	}`},
	{"a commit without an answer counts as done", "sink/kafka/producer.go",
		"	p.added = make(map[partition]bool)\n	return err\n}", "	p.added = make(map[partition]bool)\n	_ = err\n	return nil\n}"},
	{"a batch is sent again under new sequence numbers", "sink/kafka/producer.go",
		`		if worst != nil && isRetriable(worst) {
`, `		if worst != nil && isRetriable(worst) {
			for at, b := range pending {
				binary.BigEndian.PutUint32(b[4+53:], binary.BigEndian.Uint32(b[4+53:])+binary.BigEndian.Uint32(b[4+57:]))
				binary.BigEndian.PutUint32(b[4+17:], crc32.Checksum(b[4+21:], crc32.MakeTable(crc32.Castagnoli)))
				p.sequences[at] += int32(binary.BigEndian.Uint32(b[4+57:]))
			}
`},
	{"aborted records of the state are read too", "sink/kafka/committed.go",
		"case !aborted[batch.producer]:", "default:"},
	{"the slot is confirmed before the sink has the batch", "cdc/commit.go",
		"	p.hooks.Committing(batch)\n", "	p.hooks.Committing(batch)\n	p.Source.Confirm(p.state.Checkpoint.LSN)\n"},
	{"keepalives are confirmed while a batch is in hand", "cdc/pg/source.go",
		"		s.progress = decode.Progress{LSN: f.walEnd, Time: f.time}\n",
		"		s.progress = decode.Progress{LSN: f.walEnd, Time: f.time}\n		s.stream.confirm(f.walEnd)\n"},
	{"keepalives move the checkpoint inside a transaction", "cdc/pg/source.go",
		"if s.inside || f.walEnd == 0 {", "if f.walEnd == 0 {"},
	{"a transaction at the checkpoint counts as done", "cdc/fill.go",
		"!m.Snapshot && m.CommitLSN < p.state.Checkpoint.LSN", "!m.Snapshot && m.CommitLSN <= p.state.Checkpoint.LSN"},
	{"a cut transaction is forgotten", "cdc/fill.go",
		"		p.machine.cut()\n", ""},
	{"of a cut transaction one change too many is passed over", "cdc/machine.go",
		"Changes: m.tx.change, Events", "Changes: m.tx.change + 1, Events"},
	{"a keepalive while a cut transaction is sent again forgets the cut", "cdc/fill.go",
		"	if m.LSN > checkpoint.Cut.CommitLSN {", "	if true {"},
	{"the stream begins behind the snapshot's place", "cdc/pg/source.go",
		"cdc.Checkpoint{LSN: snap.point, Time", "cdc.Checkpoint{LSN: snap.point + 1, Time"},
	{"the stream begins at a transaction's commit, not behind it", "cdc/machine.go",
		"m.state.Checkpoint.LSN, m.state.Checkpoint.Time = c.EndLSN,", "m.state.Checkpoint.LSN, m.state.Checkpoint.Time = c.CommitLSN,"},
	{"the removal of a row is not written into the state", "cdc/machine.go",
		"	m.out.touch(t, key, 0)\n", ""},
	{"a value stored out of line that an update did not touch counts as NULL", "decode/decoder.go",
		"return Value{Kind: Unchanged}, nil", "return Value{Kind: Null}, nil"},
	{"nobody looks whether the slot is free before fencing its reader", "cdc/pipeline.go",
		"	if err := p.Source.Free(ctx); err != nil {\n		return sourceFailed(\"start source\", err)\n	}\n", ""},
	{"a slot is dropped without a look who holds the sink", "cdc/pg/slot.go",
		"if err := start.Held(ctx); err != nil {", "if err := error(nil); err != nil {"},
	{"a slot is dropped that is another one by now", "cdc/pg/slot.go",
		"coalesce(confirmed_flush_lsn, '0/0') = $2::pg_lsn", "$2::pg_lsn is not null"},
	{"nobody looks again at the slot that is held", "cdc/pg/source.go",
		"	if err := s.checkHeld(ctx, from.LSN); err != nil {\n		return err\n	}\n", ""},
	{"a standby reconciles because of what it found long ago", "cmd/lowcap-cdc/internal/supervise/supervisor.go",
		"	v.lost = \"\" // meanwhile", "	// meanwhile"},
	{"a slot that another instance creates at the same time asks for an operator", "cdc/pg/slot.go",
		"		return fmt.Errorf(\"%s slot %q: %s\", verb, name, message(err))\n", "		return permanentf(\"%s slot %q: %s\", verb, name, message(err))\n"},
	{"the event chain is not continued by the next batch", "cdc/commit.go",
		"newOutbox(&p.state.Checkpoint.Events, c.out.limit)", "newOutbox(new(schemas.Chain), c.out.limit)"},
}

// apply returns the file with the fault.
func (m *mutant) apply() (string, error) {
	source, err := os.ReadFile(filepath.Join("../..", m.file))
	if err != nil {
		return "", err
	}
	if n := strings.Count(string(source), m.is); n != 1 {
		return "", fmt.Errorf("%s: the text stands %d times in %s: %s", m.name, n, m.file, m.is)
	}
	text := strings.Replace(string(source), m.is, m.becomes, 1)
	for use, path := range map[string]string{"binary.": `"encoding/binary"`, "crc32.": `"hash/crc32"`, "schemas.": `"lowcap-cdc/schemas"`} {
		if strings.Contains(m.becomes, use) && !strings.Contains(text, "\t"+path) {
			text = strings.Replace(text, "import (\n", "import (\n\t"+path+"\n", 1)
		}
	}
	return text, nil
}

// TestMutantsFit: the list is of the source as it is.
func TestMutantsFit(t *testing.T) {
	for _, m := range mutants {
		if _, err := m.apply(); err != nil {
			t.Error(err)
		}
	}
}

// TestMutants builds the sidecar with each fault, and counts the seeds until one is found.
func TestMutants(t *testing.T) {
	if !*findMutants {
		t.Skip("make mutants runs it")
	}
	rows := make([]string, len(mutants))
	t.Run("all", func(t *testing.T) {
		for i, m := range mutants {
			if *only != "" && m.name != *only {
				continue
			}
			t.Run(m.name, func(t *testing.T) {
				t.Parallel()
				seed, how := m.hunt(t)
				if rows[i] = fmt.Sprintf("| %s | %s | %s |\n", m.name, how, seed); seed == "" {
					rows[i] = fmt.Sprintf("| %s | | not in %d |\n", m.name, *seeds)
					t.Errorf("not found in %d seeds: %s", *seeds, how)
				}
				t.Log(rows[i])
			})
		}
	})
	t.Logf("\n| fault | found by | at seed |\n|---|---|---|\n%s", strings.Join(rows, ""))
}

var found = regexp.MustCompile(`(?m)^\s*seed (\d+): (.*)$`)

// hunt runs seeds until one fails.
func (m *mutant) hunt(t *testing.T) (seed, how string) {
	t.Helper()
	text, err := m.apply()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	patched, overlay, binary := filepath.Join(dir, "patched.go"), filepath.Join(dir, "overlay.json"), filepath.Join(dir, "simulate.test")
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	list, err := json.Marshal(map[string]any{"Replace": map[string]string{filepath.Join(root, m.file): patched}})
	if err != nil {
		t.Fatal(err)
	}
	for path, content := range map[string][]byte{patched: []byte(text), overlay: list} {
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if out, err := exec.CommandContext(t.Context(), "go", "test", "-c", "-overlay", overlay, "-o", binary, ".").CombinedOutput(); err != nil {
		t.Fatalf("%s: %v: %s", m.name, err, out)
	}
	run := exec.CommandContext(t.Context(), binary, "-test.run", "^TestSeeds$", "-test.v", "-worker", "0", "-parts", "1", "-seeds", fmt.Sprint(*seeds),
		"-first", fmt.Sprint(*first), "-within", fmt.Sprint(*within))
	out, err := run.CombinedOutput()
	if match := found.FindSubmatch(out); err != nil && match != nil {
		return string(match[1]), kindOf(string(match[2]))
	}
	return "", fmt.Sprintf("%.3000s", out)
}

// judges are the words by which the failures differ.
var judges = [][2]string{{"steps", "steps of a row"}, {"chain:", "chain"}, {"sequence", "order in a partition"}, {"a gap", "a gap that is none"},
	{"asks for an operator", "asks for an operator"}, {"not everything is told", "stands still"}, {"the sidecar has confirmed", "confirms too far"}}

// kindOf says which judge has found a fault.
func kindOf(failure string) string {
	for _, j := range judges {
		if strings.Contains(failure, j[0]) {
			return j[1]
		}
	}
	return failure
}
