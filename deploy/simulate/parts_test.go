package simulate

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// report is what a process says of the seeds that it has run since the last one.
type report struct {
	Seeds, Messages, Events uint64
	Simulated               time.Duration
}

func (r *report) add(o Outcome) {
	r.Seeds++
	r.Messages += uint64(o.Messages)
	r.Events += uint64(o.Events)
	r.Simulated += o.Simulated
}

const reportLead = "report: "

func (r *report) print(out io.Writer) {
	text, err := json.Marshal(r)
	if err != nil {
		panic(err) // numbers
	}
	fmt.Fprintf(out, "%s%s\n", reportLead, text)
}

// sums adds the reports of all processes.
type sums struct {
	mu    sync.Mutex
	begun time.Time
	all   report
	shown time.Time
	other []string // what else they print: a failure
}

// read takes what a process prints.
func (s *sums) read(t *testing.T, from io.Reader) {
	lines := bufio.NewScanner(from)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		s.take(t, lines.Text())
	}
}

func (s *sums) take(t *testing.T, line string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, text, isReport := strings.Cut(line, reportLead)
	var r report
	if !isReport || json.Unmarshal([]byte(text), &r) != nil {
		s.other = append(s.other, line)
		return
	}
	s.all.Seeds += r.Seeds
	s.all.Messages += r.Messages
	s.all.Events += r.Events
	s.all.Simulated += r.Simulated
	if time.Since(s.shown) > 10*time.Second {
		s.shown = time.Now()
		fmt.Fprintln(t.Output(), s)
	}
}

func (s *sums) String() string {
	passed := time.Since(s.begun)
	return fmt.Sprintf("%d of %d seeds in %v (%.1f a second): %v of that world, %d messages, %d events read back", s.all.Seeds, *seeds,
		passed.Round(time.Second), float64(s.all.Seeds)/passed.Seconds(), s.all.Simulated.Round(time.Minute), s.all.Messages, s.all.Events)
}

// runParts has each processor run its part of the seeds in a process of its own, until one fails or ctx ends.
func runParts(ctx context.Context, t *testing.T) {
	t.Helper()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	s := &sums{begun: time.Now(), shown: time.Now()}
	var group sync.WaitGroup
	for n := range *parts {
		cmd := exec.CommandContext(ctx, os.Args[0], "-test.run", "^TestSeeds$", "-test.v", "-test.timeout", "0", "-worker", fmt.Sprint(n),
			"-parts", fmt.Sprint(*parts), "-seeds", fmt.Sprint(*seeds), "-first", fmt.Sprint(*first), "-within", "0")
		cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
		cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		cmd.Stderr = cmd.Stdout
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		group.Go(func() {
			s.read(t, out)
			cmd.Wait() //nolint:errcheck // an end by our signal is none: the exit code tells
			if cmd.ProcessState.ExitCode() != 0 {
				t.Fail()
				cancel()
			}
		})
	}
	group.Wait()
	if t.Failed() {
		t.Error(strings.Join(s.other, "\n"))
	} else if s.all.Seeds == 0 {
		t.Error("there was no time for one seed")
	}
	t.Log(s)
}
