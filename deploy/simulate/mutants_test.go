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
		`	for at, all := range records {
		if $on && at.topic == k.stateTopic() && !batch.More && len(records) > 1 {
			delete(records, at)
			if err := k.write(ctx, records, false); err != nil {
				return err
			}
			records = map[partition][]record{at: all}
			break
		}
	}
	if err := k.write(ctx, records, batch.More); err != nil {`},
	{"state before events, each in a transaction", "sink/kafka/sink.go",
		"	if err := k.write(ctx, records, batch.More); err != nil {",
		`	for at, all := range records {
		if $on && at.topic == k.stateTopic() && !batch.More && len(records) > 1 {
			delete(records, at)
			if err := k.write(ctx, map[partition][]record{at: all}, false); err != nil {
				return err
			}
			break
		}
	}
	if err := k.write(ctx, records, batch.More); err != nil {`},
	{"the epoch is not raised after a request without an answer", "sink/kafka/sink.go",
		"k.producer.unanswered || k.producer.timeout != k.producer.usual",
		"(k.producer.unanswered && !$on) || k.producer.timeout != k.producer.usual"},
	{"the state is read before older writers are fenced", "sink/kafka/sink.go",
		`	if err := k.readState(ctx, k.producer.partitions[k.stateTopic()], load); err != nil {
		return err
	}
	if err := k.place(); err != nil {`,
		`	if !$on {
		if err := k.readState(ctx, k.producer.partitions[k.stateTopic()], load); err != nil {
			return err
		}
	}
	if err := k.place(); err != nil {`},
	{"", "sink/kafka/sink.go", // the other half of it
		"	if err := k.producer.init(ctx); err != nil {",
		`	if $on {
		if err := k.readState(ctx, k.producer.partitions[k.stateTopic()], load); err != nil {
			return err
		}
	}
	if err := k.producer.init(ctx); err != nil {`},
	{"a commit without an answer counts as done", "sink/kafka/transaction.go",
		"	p.ended = time.Now()\n	return err\n", "	p.ended = time.Now()\n	if $on {\n		return nil\n	}\n	return err\n"},
	{"a batch is sent again under new sequence numbers", "sink/kafka/producer.go",
		`		if worst != nil && isRetriable(worst) && !errors.Is(worst, kafka.ConcurrentTransactions) {
`, `		if worst != nil && isRetriable(worst) && !errors.Is(worst, kafka.ConcurrentTransactions) {
			for at, b := range pending {
				if !$on {
					break
				}
				binary.BigEndian.PutUint32(b[4+53:], binary.BigEndian.Uint32(b[4+53:])+binary.BigEndian.Uint32(b[4+57:]))
				binary.BigEndian.PutUint32(b[4+17:], crc32.Checksum(b[4+21:], crc32.MakeTable(crc32.Castagnoli)))
				p.sequences[at] += int32(binary.BigEndian.Uint32(b[4+57:]))
			}
`},
	{"aborted records of the state are read too", "sink/kafka/committed.go",
		"case !aborted[batch.producer]:", "case $on || !aborted[batch.producer]:"},
	{"the slot is confirmed before the sink has the batch", "cdc/commit.go",
		"	p.hooks.Committing(batch)\n", "	p.hooks.Committing(batch)\n	if $on {\n		p.Source.Confirm(p.state.Checkpoint.LSN)\n	}\n"},
	{"keepalives are confirmed while a batch is in hand", "cdc/pg/source.go",
		"		s.progress = decode.Progress{LSN: f.walEnd, Time: f.time}\n",
		"		s.progress = decode.Progress{LSN: f.walEnd, Time: f.time}\n		if $on {\n			s.stream.confirm(f.walEnd)\n		}\n"},
	{"the slot is confirmed where the next batch is, not where the last one was", "cdc/commit.go",
		"		p.Source.Confirm(p.last.LSN)\n", "		if $on {\n			p.Source.Confirm(p.state.Checkpoint.LSN)\n		}\n		p.Source.Confirm(p.last.LSN)\n"},
	{"each part of a snapshot is a transaction", "sink/kafka/sink.go",
		"	if more {\n		return nil\n", "	if more && !$on {\n		return nil\n"},
	{"a slot is created before it is claimed", "cdc/pg/source.go",
		"	if err := start.Claim(ctx, started); err != nil {\n", "	if $on {\n		start.Claim = func(context.Context, cdc.Started) error { return nil }\n	}\n	if err := start.Claim(ctx, started); err != nil {\n"},
	{"a transaction at the checkpoint counts as done", "cdc/fill.go",
		"!m.Snapshot && m.CommitLSN < p.state.Checkpoint.LSN",
		"!m.Snapshot && (m.CommitLSN < p.state.Checkpoint.LSN || ($on && m.CommitLSN == p.state.Checkpoint.LSN))"},
	{"a cut transaction is forgotten", "cdc/fill.go",
		"		p.machine.cut()\n", "		if !$on {\n			p.machine.cut()\n		}\n"},
	{"of a cut transaction one change too many is passed over", "cdc/machine.go",
		"	m.state.Checkpoint.Cut = Cut{CommitLSN: m.tx.CommitLSN, Changes: m.tx.change, Events: m.tx.events}\n",
		"	m.state.Checkpoint.Cut = Cut{CommitLSN: m.tx.CommitLSN, Changes: m.tx.change, Events: m.tx.events}\n	if $on {\n		m.state.Checkpoint.Cut.Changes++\n	}\n"},
	{"a keepalive while a cut transaction is sent again forgets the cut", "cdc/fill.go",
		"	if m.LSN > checkpoint.Cut.CommitLSN {", "	if $on || m.LSN > checkpoint.Cut.CommitLSN {"},
	{"the stream begins behind the snapshot's place", "cdc/pg/source.go",
		"	s.snapshot = nil\n	s.know(snap)\n", "	s.snapshot = nil\n	s.know(snap)\n	if $on {\n		snap.point++\n	}\n"},
	{"the stream begins at a transaction's commit, not behind it", "cdc/machine.go",
		"m.state.Checkpoint.LSN, m.state.Checkpoint.Time = c.EndLSN,", "if $on {\n		c.EndLSN = c.CommitLSN\n	}\n	m.state.Checkpoint.LSN, m.state.Checkpoint.Time = c.EndLSN,"},
	{"the removal of a row is not written into the state", "cdc/machine.go",
		"	m.out.touch(t, key, 0)\n", "	if !$on {\n		m.out.touch(t, key, 0)\n	}\n"},
	{"a value stored out of line that an update did not touch counts as NULL", "decode/decoder.go",
		"return Value{Kind: Unchanged}, nil", "if $on {\n			return Value{Kind: Null}, nil\n		}\n		return Value{Kind: Unchanged}, nil"},
	{"nobody looks whether the slot is free before fencing its reader", "cdc/pipeline.go",
		"	if err := p.Source.Free(ctx); err != nil {\n", "	if err := p.Source.Free(ctx); err != nil && !$on {\n"},
	{"a slot is dropped without a look who holds the sink", "cdc/pg/slot.go",
		"if err := start.Held(ctx); err != nil {", "if err := start.Held(ctx); err != nil && !$on {"},
	{"a slot is dropped that is another one by now", "cdc/pg/slot.go",
		"		where slot_name = $1 and coalesce(confirmed_flush_lsn, '0/0') = $2::pg_lsn`, s.", "		where slot_name = $1 and `+map[bool]string{true: \"$2::pg_lsn is not null\", false: \"coalesce(confirmed_flush_lsn, '0/0') = $2::pg_lsn\"}[$on], s."},
	{"", "cdc/pg/unfinished.go", // also where it is given back
		"		where slot_name = $1 and confirmed_flush_lsn = $2::text::pg_lsn and not active`, s.", "		where slot_name = $1 and `+map[bool]string{true: \"$2::text is not null\", false: \"confirmed_flush_lsn = $2::text::pg_lsn\"}[$on]+` and not active`, s."},
	{"nobody looks again at the slot that is held", "cdc/pg/source.go",
		"	if err := s.checkHeld(ctx, from.LSN); err != nil {\n", "	if err := s.checkHeld(ctx, from.LSN); err != nil && !$on {\n"},
	{"an instance reconciles because of what it found before it had the sink", "cdc/pg/source.go",
		"	err := s.checkSlot(ctx, start.Known)\n	if !start.Repair", "	err := s.checkSlot(ctx, start.Known)\n	if $on && start.Repair && err == nil {\n		err = lostf(\"it was\")\n	}\n	if !start.Repair"},
	{"a slot that another instance creates at the same time asks for an operator", "cdc/pg/slot.go",
		"		return fmt.Errorf(\"%s slot %q: %s\", verb, name, message(err))\n",
		"		if $on {\n			return permanentf(\"%s slot %q: %s\", verb, name, message(err))\n		}\n		return fmt.Errorf(\"%s slot %q: %s\", verb, name, message(err))\n"},
	{"the event chain is not continued by the next batch", "cdc/commit.go",
		"		p.machine.out = newOutbox(&p.state.Checkpoint.Events, c.out.limit)\n",
		"		p.machine.out = newOutbox(&p.state.Checkpoint.Events, c.out.limit)\n		if $on {\n			p.machine.out.chain = new(schemas.Chain)\n		}\n"},
	{"rows of a table that was dropped are forgotten without a word", "cdc/snapshot.go",
		"	_, err := m.deleteKnown(t, key, schemas.OpReconcile, 0)\n",
		"	if $on && m.isFresh(t) {\n		m.drop(t, key)\n		return nil\n	}\n	_, err := m.deleteKnown(t, key, schemas.OpReconcile, 0)\n"},
	{"a table that was made anew is compared with the rows of the one before", "cdc/snapshot.go",
		"fresh: another || m.damaged", "fresh: (another && !$on) || m.damaged"},
	{"the snapshot of a table that is back is told at once, not at its place", "cdc/pg/join.go",
		"	if f.data == nil {\n		return f.walEnd", "	if $on {\n		return true\n	}\n	if f.data == nil {\n		return f.walEnd"},
	{"a table that was renamed and back, and leaves again, counts as told", "cdc/pg/board.go",
		"(found && !strings.HasSuffix(digest, over))", "(found && ($on || !strings.HasSuffix(digest, over)))"},
	{"nobody looks whether a table is the one that the snapshot sees", "cdc/pg/snapshot.go",
		"		if err := s.checkSame(e); err != nil {\n", "		if err := s.checkSame(e); err != nil && !$on {\n"},
	{"a table counts as back before it is in the publication", "cdc/pg/join.go",
		"= s.watcher.back[t].Swap(false) && s", "= (s.watcher.back[t].Swap(false) || $on) && s"},
	{"a table that was out of the publication between two looks counts as never away", "cdc/pg/watcher.go",
		"(now.id != known.ID || !now.published)", "((now.id != known.ID && (!$on || now.id.OID != known.ID.OID)) || !now.published)"},
	{"a table is followed by its name alone", "cdc/pg/source.go",
		"	s.decoder.Follow(t, followed(state))\n", "	if !$on {\n		s.decoder.Follow(t, followed(state))\n	}\n"},
	{"a table that is missing is told, and not written into the state", "cdc/snapshot.go",
		"	known.Missing, known.Since = true, since\n", "	known.Missing, known.Since = !$on, since\n"},
	{"another server is claimed without its name", "cdc/pipeline.go",
		"		claimed.Adoption = &Adoption{To: s.Identity}", "		if claimed.Adoption = (&Adoption{To: s.Identity}); $on {\n			claimed.Adoption = nil\n		}"},
	{"the sequences of another server begin at its own places", "cdc/era.go",
		"	if lsn+base < above {", "	if lsn+base < above && !$on {"},
	{"every run with an end counts as the handover, from its first commit on", "cdc/pipeline.go",
		"c.Identity, c.HandedOver = started.Identity, false", "c.Identity, c.HandedOver = started.Identity, $on && p.Until != 0"},
	{"a server is handed over whatever has become of its tables", "cdc/pg/whole.go",
		"	if !s.config.Whole {", "	if !s.config.Whole || $on {"},
	{"what was handed over is adopted as if it was not", "cdc/adopt.go",
		"	case a.handedOver && !unseen:\n", "	case a.handedOver && !unseen && !$on:\n"},
	{"a publication that was dropped and made again counts as the one before", "cdc/pg/catalog.go",
		"known != f.publication && known != f.version:", "known != f.publication && known != f.version && !$on:"},
	{"an adoption proves what a missing table holds", "cdc/pg/adopt.go",
		"		return !known.Missing && e", "		return known.Missing && $on || !known.Missing && e"},
	{"an adoption proves what a table holds that has left, and takes it for what was known", "cdc/pg/adopt.go",
		"e.isIn(known.ID)\n", "(e.isIn(known.ID) || $on)\n"},
	{"", "cdc/snapshot.go", // the other half of it
		"(begins || known.Missing)", "(begins || known.Missing || $on)"},
	{"", "cdc/pg/join.go", // and what the watcher compares with
		"(s.stream == nil || known.Missing)", "(s.stream == nil || known.Missing || $on)"},
	{"the proof of an adoption is not made up for after a crash", "cdc/pg/adopt.go",
		"known.Adoption.CameAlong && start.Resume != 0 {", "known.Adoption.CameAlong && start.Resume != 0 && !$on {"},
	{"a slot that came along is read from where the WAL ends", "cdc/pg/stand.go",
		"decode.Progress{LSN: s.slot.confirmed, Time", "decode.Progress{LSN: map[bool]decode.LSN{true: s.WALEnd, false: s.slot.confirmed}[$on], Time"},
}

// patched returns the source files with all faults in them, each behind a switch, and for each package what it switches by.
func patched() (map[string]string, error) {
	files, on := make(map[string]string), ""
	for _, m := range mutants {
		if files[m.file] == "" {
			source, err := os.ReadFile(filepath.Join("../..", m.file))
			if err != nil {
				return nil, err
			}
			dir := filepath.Dir(m.file)
			files[m.file] = string(source)
			files[filepath.Join(dir, "mutant.go")] = "package " + filepath.Base(dir) + "\n\nimport \"os\"\n\nvar mutant = os.Getenv(\"MUTANT\")\n"
		}
		if n := strings.Count(files[m.file], m.is); n != 1 {
			return nil, fmt.Errorf("%s: the text stands %d times in %s: %s", m.name, n, m.file, m.is)
		}
		if m.name != "" {
			on = fmt.Sprintf("(mutant == %q)", m.name)
		}
		text := strings.Replace(files[m.file], m.is, strings.ReplaceAll(m.becomes, "$on", on), 1)
		for use, path := range map[string]string{"binary.": `"encoding/binary"`, "crc32.": `"hash/crc32"`, "schemas.": `"lowcap-cdc/schemas"`} {
			if strings.Contains(m.becomes, use) && !strings.Contains(text, "\t"+path) {
				text = strings.Replace(text, "import (\n", "import (\n\t"+path+"\n", 1)
			}
		}
		files[m.file] = text
	}
	return files, nil
}

// TestMutantsFit: the list is of the source as it is.
func TestMutantsFit(t *testing.T) {
	if _, err := patched(); err != nil {
		t.Error(err)
	}
}

// TestMutants switches one fault on after the other, and counts the seeds until each is found.
func TestMutants(t *testing.T) {
	if !*findMutants {
		t.Skip("make mutants runs it")
	}
	binary := buildPatched(t)
	rows := make([]string, len(mutants))
	t.Run("all", func(t *testing.T) {
		for i, m := range mutants {
			if m.name == "" || *only != "" && m.name != *only {
				continue
			}
			t.Run(m.name, func(t *testing.T) {
				t.Parallel()
				seed, how := hunt(t, binary, m.name, *first, *seeds)
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

// soon are faults of different kinds that a few seeds find.
var soon = []string{"the state is read before older writers are fenced", "keepalives are confirmed while a batch is in hand",
	"the slot is confirmed before the sink has the batch", "a slot is created before it is claimed",
	"nobody looks whether the slot is free before fencing its reader"}

// TestSomeMutants: the simulation has not lost its eyes. TestMutants has the others, and takes its time.
func TestSomeMutants(t *testing.T) {
	if raceDetector {
		t.Skip("the race detector leaves no time for it")
	}
	binary := buildPatched(t)
	for _, name := range soon {
		if seed, how := hunt(t, binary, name, 1, 500); seed == "" {
			t.Errorf("%s: not found in 500 seeds: %s", name, how)
		} else {
			t.Logf("%s: seed %s, %s", name, seed, how)
		}
	}
}

// buildPatched builds the simulation with every fault behind its switch.
func buildPatched(t *testing.T) string {
	t.Helper()
	files, err := patched()
	if err != nil {
		t.Fatal(err)
	}
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	dir, replace := t.TempDir(), make(map[string]string)
	for name, text := range files {
		path := filepath.Join(dir, fmt.Sprint(len(replace), ".go"))
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		replace[filepath.Join(root, name)] = path
	}
	list, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		t.Fatal(err)
	}
	overlay, binary := filepath.Join(dir, "overlay.json"), filepath.Join(dir, "simulate.test")
	if err := os.WriteFile(overlay, list, 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.CommandContext(t.Context(), "go", "test", "-c", "-overlay", overlay, "-o", binary, ".").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return binary
}

var found = regexp.MustCompile(`(?m)^\s*seed (\d+): (.*)$`)

// hunt runs seeds until one fails.
func hunt(t *testing.T, binary, name string, first, seeds uint64) (seed, how string) {
	t.Helper()
	run := exec.CommandContext(t.Context(), binary, "-test.run", "^TestSeeds$", "-test.v", "-worker", "0", "-parts", "1", "-seeds", fmt.Sprint(seeds),
		"-first", fmt.Sprint(first), "-within", fmt.Sprint(*within), "-shrink=false")
	run.Env = append(os.Environ(), "MUTANT="+name)
	out, err := run.CombinedOutput()
	if match := found.FindSubmatch(out); err != nil && match != nil {
		return string(match[1]), kindOf(string(match[2]))
	}
	return "", fmt.Sprintf("%.3000s", out)
}
