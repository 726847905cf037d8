package consumers

import (
	"bufio"
	"fmt"
	"os/exec"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

// follower is a process that follows a group, and what its client says of that.
type follower struct {
	cmd                    *exec.Cmd
	mu                     sync.Mutex
	rebalances, partitions int
}

func (s *stage) follower(t *testing.T, interpreter, group, member string, session time.Duration) *follower {
	t.Helper()
	f := &follower{cmd: withPackage(exec.Command(interpreter, "-c", `
import json, sys
from lowcap_cdc import alerts
def tell(text):
    group = json.loads(text).get("cgrp", {})
    print(group.get("rebalance_cnt", 0), group.get("assignment_size", 0), flush=True)
for event in alerts(sys.argv[1], group=sys.argv[2], member=sys.argv[3] or None, severity="page",
                    config={"session.timeout.ms": int(sys.argv[4]), "statistics.interval.ms": 100, "stats_cb": tell}):
    pass
`, s.kafka.Addr(), group, member, fmt.Sprint(session.Milliseconds())))}
	out, err := f.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := f.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(f.kill)
	go func() {
		for lines := bufio.NewScanner(out); lines.Scan(); {
			f.mu.Lock()
			fmt.Sscan(lines.Text(), &f.rebalances, &f.partitions) //nolint:errcheck // two numbers
			f.mu.Unlock()
		}
	}()
	return f
}

func (f *follower) kill() {
	f.cmd.Process.Kill() //nolint:errcheck // it may have ended
	f.cmd.Wait()         //nolint:errcheck // it was killed
}

func (f *follower) now() (rebalances, partitions int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.rebalances, f.partitions
}

// settle waits until two processes share all partitions, and returns how often the second one was dealt some.
func (s *stage) settle(t *testing.T, total int, a, b *follower) int {
	t.Helper()
	tick, deadline := time.NewTicker(50*time.Millisecond), time.After(4*time.Minute)
	defer tick.Stop()
	for {
		_, ofA := a.now()
		rebalances, ofB := b.now()
		if ofA > 0 && ofB > 0 && ofA+ofB == total {
			return rebalances
		}
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("of %d partitions one has %d, the other %d", total, ofA, ofB)
		}
	}
}

// TestPythonPackageMember kills a process that has a name and starts it again: no other process of the group notices. Without a name
// each of them is dealt partitions anew.
func TestPythonPackageMember(t *testing.T) {
	s, interpreter := onStage(t), python(t, "python/requirements.txt")
	client, err := kgo.NewClient(kgo.SeedBrokers(s.kafka.Addr()))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	total := 0
	for _, topic := range []string{"entry-blocks", "trim-pools", "emergency-exits", "executions", "positions", "quarantine", "control"} {
		found, err := kadm.NewClient(client).ListTopics(t.Context(), "lowcap."+topic)
		if err != nil {
			t.Fatal(err)
		}
		total += len(found["lowcap."+topic].Partitions)
	}
	for name, c := range map[string]struct {
		members [2]string
		session time.Duration // a program is started again within it, or ends by it
	}{"named": {[2]string{"desk", "pager"}, 2 * time.Minute}, "nameless": {session: 10 * time.Second}} {
		t.Run(name, func(t *testing.T) {
			group := fmt.Sprint(name, time.Now().UnixNano())
			a, b := s.follower(t, interpreter, group, c.members[0], c.session), s.follower(t, interpreter, group, c.members[1], c.session)
			before := s.settle(t, total, a, b)
			a.kill()
			again := s.follower(t, interpreter, group, c.members[0], c.session)
			after := s.settle(t, total, again, b)
			if isSame := after == before; isSame != (name == "named") {
				t.Errorf("the other process was dealt partitions %d times before the kill, %d after it", before, after)
			}
		})
	}
}
