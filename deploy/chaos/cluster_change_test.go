package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"strings"

	"lowcap-cdc/deploy/lab"
)

// anotherCluster starts a cluster with the topics, and makes it the one of the sidecar. It returns what was before.
func (w *world) anotherCluster(ctx context.Context) (before *lab.Cluster, err error) {
	before = w.kafka
	w.replaced = append(w.replaced, before)
	for _, p := range w.toKafka {
		w.replaced = append(w.replaced, cutter{p})
	}
	w.toKafka = nil
	if err := w.startKafka(ctx); err != nil {
		return nil, err
	}
	if out, err := verb(w.command(), "init").CombinedOutput(); err != nil {
		return nil, fmt.Errorf("make the topics: %w: %s", err, out)
	}
	w.tail.close()
	w.tail, err = startTail(w.brokers)
	return before, err
}

// cutter cuts a proxy at the end.
type cutter struct{ *proxy }

func (c cutter) Close() error {
	c.cut()
	return nil
}

var _ io.Closer = cutter{}

// mirrorCluster goes over to another cluster with the topics as a mirror copies them. A half copy is refused at every step.
func mirrorCluster(ctx context.Context, w *world) error {
	before, err := w.anotherCluster(ctx)
	if err != nil {
		return err
	}
	for _, topic := range append([]string{prefix + "cdc-state"}, topics()...) {
		if err := lab.Mirror(ctx, before.Addrs()[0], w.brokers[0], topic); err != nil {
			return err
		}
		if topic == topics()[len(topics())-1] {
			return nil
		}
		// The last event may be in any topic: what is there may be all that matters, and a check changes nothing.
		out, err := verb(w.command(), "check").CombinedOutput()
		if exit := new(exec.ExitError); err != nil && (!errors.As(err, &exit) || exit.ExitCode() != 3 || !strings.Contains(string(out), "events are missing")) {
			return fmt.Errorf("check of a half copy: %w: %s", err, out)
		}
	}
	return nil
}

// replayCluster goes over to another cluster by replay, killed at random moments.
func replayCluster(ctx context.Context, w *world) error {
	before, err := w.anotherCluster(ctx)
	if err != nil {
		return err
	}
	return w.killed(ctx, func() *exec.Cmd {
		cmd := verb(w.command(), "replay", "--with-state", "--into", w.sink)
		for i, arg := range cmd.Args {
			if arg == "--sink" {
				cmd.Args[i+1] = "kafka://" + strings.Join(before.Addrs(), ",")
			}
		}
		return cmd
	})
}
