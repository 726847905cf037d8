package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"time"
)

// badSamples in a row end a soak: a server or a process is gone.
const badSamples = 5

// soak runs one sidecar, and notify beside it, for a long time under the load of the bot, and samples what must not grow. Each
// sample is in the file at once. When ctx ends the soak ends early and in order. The error names each series that has grown.
func soak(ctx context.Context, o options, plan soakPlan, out io.Writer) (err error) {
	if o.samples == "" {
		return errors.New("say where the samples go: -samples FILE")
	}
	alive := context.WithoutCancel(ctx) // whoever interrupts wants what there is, and nothing left behind
	s, err := startServersWith(alive)   // checkpoints and the size of the WAL are as Postgres has them
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.close()) }()
	w, err := s.startSoaked(alive, o, plan)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, w.close()) }()
	file, err := os.Create(o.samples)
	if err != nil {
		return err
	}
	defer file.Close() //nolint:errcheck // each line was written
	head := soakHead{Tree: treeOf(alive, o.binary), Machine: thisMachine(), Versions: s.versions(alive), Started: time.Now().UTC(),
		Asked: plan.lasting.Seconds(), Rate: plan.rate, Series: seriesNames()}
	if err := writeLine(file, head); err != nil {
		return err
	}
	if err := w.run(ctx, plan, file); err != nil {
		return err
	}
	end := soakEnd{Interrupted: ctx.Err() != nil}
	if !end.Interrupted {
		if end.Compared, end.Verified, err = w.audit(alive); err != nil {
			return err
		}
	}
	if err := writeLine(file, end); err != nil {
		return err
	}
	return tellSoak(o, out)
}

// treeOf returns the version that a binary says it is.
func treeOf(ctx context.Context, binary string) string {
	out, err := exec.CommandContext(ctx, binary, "--version").Output()
	if err != nil {
		return "?"
	}
	first, _, _ := strings.Cut(string(out), "\n")
	return first
}

// run writes and samples until the plan or ctx is over. An error of the load ends it too.
func (w *soakedWorld) run(ctx context.Context, plan soakPlan, file *os.File) error {
	ctx, cancel := context.WithTimeout(ctx, plan.lasting)
	defer cancel()
	w.began = time.Now()
	failed := make([]error, soakWriters)
	var group sync.WaitGroup
	for i := range soakWriters {
		group.Go(func() {
			if failed[i] = plan.load(ctx, w.lane.dsn(), i); failed[i] != nil {
				cancel()
			}
		})
	}
	group.Go(func() { w.keepCounting(ctx, w.lane.servers.kafka.Addr(), plan.count) })
	err := w.watch(ctx, plan, file)
	cancel()
	group.Wait()
	return errors.Join(append(failed, err)...)
}

// watch takes a sample at each tick.
func (w *soakedWorld) watch(ctx context.Context, plan soakPlan, file *os.File) error {
	tick := time.NewTicker(plan.every)
	defer tick.Stop()
	said, bad := time.Now(), 0
	var before []float64
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		sample, err := w.sample(ctx)
		switch {
		case ctx.Err() != nil:
			return nil
		case err != nil:
			if bad++; bad == badSamples {
				return fmt.Errorf("%w\n%s", err, w.logs())
			}
			progress("soak: no sample: %v", err)
			continue
		}
		bad = 0
		if err := writeLine(file, sample); err != nil {
			return err
		}
		if before != nil && time.Since(said) >= plan.say {
			said = time.Now()
			progress("soak: %s", lineOfSample(before, sample))
		}
		before = sample
	}
}

// lineOfSample is a sample, and the one before it, as a person reads it.
func lineOfSample(before, sample []float64) string {
	text := fmt.Sprintf("%.0f min", sample[0]/60)
	for i, s := range soaked {
		if points := s.of([][]float64{before, sample}, i+1); s.within == 0 && len(points) > 0 {
			text += fmt.Sprintf(", %s %.4g %s", s.name, points[len(points)-1].value, s.unit)
		}
	}
	return text
}

// audit asks, when nothing is written any more, whether the events tell what the tables hold, and whether each is there once.
func (w *soakedWorld) audit(ctx context.Context) (compared, verified string, err error) {
	if compared, err = w.verb(ctx, "compared", "audit", "compare"); err != nil {
		return "", "", err
	}
	verified, err = w.verb(ctx, "source", "audit", "verify")
	return compared, verified, err
}

// tellSoak judges what -samples holds, draws and documents it where it is told to, and prints its table.
func tellSoak(o options, out io.Writer) error {
	r, err := readSoak(o.samples)
	if err != nil {
		return err
	}
	verdicts := judge(soaked, r.samples)
	if o.draw != "" {
		if err := os.WriteFile(o.draw, []byte(r.draw(verdicts)), 0o644); err != nil {
			return err
		}
	}
	var text strings.Builder
	r.print(&text, verdicts)
	if o.docs != "" {
		if err := fillDocument(o.docs, "soak", r.documented(o, text.String())); err != nil {
			return err
		}
	}
	fmt.Fprint(out, text.String())
	return failed(verdicts)
}
