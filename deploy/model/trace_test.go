package model

import (
	"errors"
	"flag"
	"os"
	"slices"
	"strings"
	"testing"
)

var observed = flag.String("observed", "", "a file with a trace that TestTraceFile holds against the model")

// TestTraceFile holds a trace that somebody has kept against the model.
func TestTraceFile(t *testing.T) {
	if *observed == "" {
		t.Skip("no -observed")
	}
	validates(t, *observed)
}

// TestRecordedTrace: half a minute of faults (kills, two instances at once, a broker and a server that die), recorded once.
func TestRecordedTrace(t *testing.T) { validates(t, "testdata/chaos.trace") }

func validates(t *testing.T, name string) {
	need(t)
	lines, err := Validate(t.Context(), t.TempDir(), read(t, name))
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%d lines are a behaviour of the model", lines)
}

func read(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// recorded returns the lines of the recorded trace.
func recorded(t *testing.T) []string {
	lines := strings.SplitAfter(read(t, "testdata/chaos.trace"), "\n")
	return lines[:len(lines)-1] // what follows the last line end is empty
}

// TestLostAnswer: an answer that was lost is one, where the epoch is raised before the next transaction.
func TestLostAnswer(t *testing.T) {
	need(t)
	m := &mutant{t: t, lines: recorded(t)}
	m.loseAnswer(5, true)
	if _, err := Validate(t.Context(), t.TempDir(), strings.Join(m.lines, "")); err != nil {
		t.Fatal(err)
	}
}

// TestMutatedTraces: what a sidecar with a fault would do is no behaviour of the model.
func TestMutatedTraces(t *testing.T) {
	need(t)
	trace, dir := recorded(t), t.TempDir()
	for name, mutate := range map[string]func(*mutant){
		"the slot is confirmed before the commit": func(m *mutant) { m.move(m.find("before-confirm", 5), m.before("sent EndTxn")) },
		"the state is read before older writers are fenced": func(m *mutant) {
			m.move(m.find("read", 3), m.before("sent Fence"))
		},
		"the commit comes before the records":  func(m *mutant) { m.endFirst(5) },
		"an end is sent twice":                 func(m *mutant) { m.repeat(m.find("sent EndTxn", 5), 2) },
		"the epoch is not raised":              func(m *mutant) { m.loseAnswer(5, false) },
		"a commit is forgotten":                func(m *mutant) { m.args(m.find("read", 4), m.find("read", 3)) },
		"what was not committed is read":       func(m *mutant) { m.args(m.find("read", 3), m.find("read", 4)) },
		"a commit begins where none has ended": func(m *mutant) { m.args(m.find("commit", 9), m.find("commit", 12)) },
		"a batch is left out":                  func(m *mutant) { m.skipCommit(7) },
		"the stream starts without a look at the state": func(m *mutant) {
			m.move(m.find("after-stream", 3), m.before("run"))
		},
		"a slot is made before the claim": func(m *mutant) { m.move(m.find("after-slot", 1), m.before("sent AddPartitionsToTxn")) },
	} {
		t.Run(name, func(t *testing.T) {
			m := &mutant{t: t, lines: slices.Clone(trace)}
			mutate(m)
			_, err := Validate(t.Context(), dir, strings.Join(m.lines, ""))
			refused := new(Refusal)
			if !errors.As(err, &refused) && (err == nil || !strings.Contains(err.Error(), "count other events")) {
				t.Fatalf("it is taken: %v", err)
			}
			t.Log(err)
		})
	}
}

// mutant is a trace that is being altered.
type mutant struct {
	t     *testing.T
	lines []string
	at    int // of the line that was found last
}

func (m *mutant) process(i int) string { return strings.Fields(m.lines[i])[0] }

func (m *mutant) says(i int, what string) bool {
	_, step, _ := strings.Cut(m.lines[i], " ")
	return strings.HasPrefix(step, what)
}

// find returns the n-th line that says something.
func (m *mutant) find(what string, n int) int {
	m.t.Helper()
	for i := range m.lines {
		if m.says(i, what) {
			if n--; n == 0 {
				m.at = i
				return i
			}
		}
	}
	m.t.Fatalf("there are fewer %q", what)
	return 0
}

// before returns the last line before the one that was found in which the same process says something.
func (m *mutant) before(what string) int {
	m.t.Helper()
	for i := m.at; i >= 0; i-- {
		if m.says(i, what) && m.process(i) == m.process(m.at) {
			return i
		}
	}
	m.t.Fatalf("no %q before line %d", what, m.at+1)
	return 0
}

// move puts a line before another.
func (m *mutant) move(from, to int) {
	line := m.lines[from]
	m.lines = slices.Insert(slices.Delete(m.lines, from, from+1), to, line)
}

// endFirst commits before the records of a transaction are there.
func (m *mutant) endFirst(n int) {
	end := m.find("sent EndTxn", n)
	to := m.before("sent Produce")
	m.move(m.answerOf(end), to)
	m.move(end+1, to)
}

// answerOf returns the answer to a request.
func (m *mutant) answerOf(i int) int {
	m.t.Helper()
	for j := i; j < len(m.lines); j++ {
		if m.says(j, "answered "+strings.Fields(m.lines[i])[2]) && m.process(j) == m.process(i) {
			return j
		}
	}
	m.t.Fatalf("no answer to line %d", i+1)
	return 0
}

// loseAnswer has a request go without an answer, and be sent again; the epoch is raised, or not, before the next transaction.
func (m *mutant) loseAnswer(n int, isRaised bool) {
	end := m.find("sent EndTxn", n)
	process := m.process(end)
	m.lines = slices.Insert(m.lines, end, process+" sent EndTxn\n", process+" answered EndTxn nothing\n")
	if !isRaised {
		return
	}
	for i := end + 4; ; i++ {
		if m.process(i) == process && m.says(i, "sent AddPartitionsToTxn") {
			m.lines = slices.Insert(m.lines, i, process+" sent InitProducerId\n", process+" answered InitProducerId\n")
			return
		}
	}
}

// repeat says lines once more.
func (m *mutant) repeat(i, n int) { m.lines = slices.Insert(m.lines, i+n, m.lines[i:i+n]...) }

// args gives a line what another one says.
func (m *mutant) args(i, of int) {
	process, _, _ := strings.Cut(m.lines[i], " ")
	_, rest, _ := strings.Cut(m.lines[of], " ")
	m.lines[i] = process + " " + rest
}

// skipCommit takes the n-th batch away, up to its confirmation.
func (m *mutant) skipCommit(n int) {
	from := m.find("commit", n)
	process := m.process(from)
	for i := from; ; {
		if m.process(i) != process {
			i++
			continue
		}
		done := m.says(i, "before-confirm")
		m.lines = slices.Delete(m.lines, i, i+1)
		if done {
			return
		}
	}
}
