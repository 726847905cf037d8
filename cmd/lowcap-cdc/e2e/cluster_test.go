package e2e

import (
	"fmt"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"lowcap-cdc/deploy/lab"
)

// administer calls f with an administrator of the broker.
func administer(t *testing.T, k *lab.Kafka, f func(*kadm.Client) error) {
	t.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(k.Addr()))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	if err := f(kadm.NewClient(client)); err != nil {
		t.Fatal(err)
	}
}

// TestClusterIsRepairedUnderARunningSidecar takes from the cluster what the sidecar needs, and gives it back: each time
// one clear line says what to do, and then it continues by itself, with nothing lost and nothing twice.
func TestClusterIsRepairedUnderARunningSidecar(t *testing.T) {
	for name, c := range map[string]struct {
		take, give func(s *site, k *lab.Kafka)
		want       string
	}{
		"right to write": {
			func(s *site, k *lab.Kafka) {
				administer(t, k, func(a *kadm.Client) error {
					_, err := a.DeleteACLs(s.t.Context(), kadm.NewACLs().Topics(s.name+".positions").ResourcePatternType(kadm.ACLPatternLiteral).
						Allow("User:mallory").AllowHosts().Operations(kadm.OpWrite))
					return err
				})
			},
			func(s *site, k *lab.Kafka) { s.grantAllBut(k, "", "") },
			"grant Write and Describe on the topic",
		},
		"room for a message": {
			func(s *site, k *lab.Kafka) { s.limitMessages(k, "300") },
			func(s *site, k *lab.Kafka) { s.limitMessages(k, "1048588") },
			"raise the topic's max.message.bytes",
		},
	} {
		t.Run(name, func(t *testing.T) {
			k := securedBroker(t)
			s := newSite(t)
			s.seedPositions(2)
			s.prepareTopics(k)
			s.grantAllBut(k, "", "")
			cmd := s.command("k", "kafka://"+k.Secured(), "--kafka-sasl", "plain", "--kafka-user", "mallory")
			cmd.Env = append(cmd.Environ(), "LOWCAP_CDC_KAFKA_PASSWORD=mirror")
			log := newWatched("streaming")
			cmd.Stderr = log
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { cmd.Process.Kill() }) //nolint:errcheck // it may have ended
			waitFor(t, log, "streaming")
			c.take(s, k)
			changes := s.changeUntil(log, c.want)
			c.give(s, k)
			s.waitForRecords(k, "positions", 2+2*changes) // two baselines, and two rows that change
			s.exec(`update lowcap_positions set status = 'paused'`)
			s.waitForRecords(k, "positions", 2+2*changes+2)
		})
	}
}

// changeUntil changes all rows until a log holds a word, and returns how often: a broker acts a moment later on what it has acknowledged,
// and the first change may pass before.
func (s *site) changeUntil(log *watched, word string) (times int) {
	s.t.Helper()
	next, deadline, tick := time.Now(), time.Now().Add(patience), time.NewTicker(20*time.Millisecond)
	defer tick.Stop()
	for ; !strings.Contains(log.String(), word); <-tick.C {
		switch now := time.Now(); {
		case now.After(deadline):
			s.t.Fatalf("no %q in the log: %s", word, log)
		case now.After(next):
			times++
			s.exec(`update lowcap_positions set status = $1`, fmt.Sprint("change ", times))
			next = now.Add(10 * time.Second)
		}
	}
	return times
}

func (s *site) limitMessages(k *lab.Kafka, bytes string) {
	s.t.Helper()
	administer(s.t, k, func(a *kadm.Client) error {
		_, err := a.AlterTopicConfigs(
			s.t.Context(),
			[]kadm.AlterConfig{{Op: kadm.SetConfig, Name: "max.message.bytes", Value: &bytes}},
			s.name+".positions",
		)
		return err
	})
}

// waitForRecords waits until a topic holds a number of committed records, and fails when it holds more.
func (s *site) waitForRecords(k *lab.Kafka, topic string, want int) {
	s.t.Helper()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(patience)
	for {
		records, err := lab.ReadCommitted(s.t.Context(), k.Addr(), s.name+"."+topic)
		if err != nil {
			s.t.Fatal(err)
		}
		if len(records) > want {
			s.t.Fatalf("%d records, want %d", len(records), want)
		}
		if len(records) == want {
			return
		}
		select {
		case <-tick.C:
		case <-deadline:
			s.t.Fatalf("%d records, want %d", len(records), want)
		}
	}
}

// TestTakeOverWithinThreeSeconds kills the instance at work: the one that waits publishes the next change in time. Other tests can only
// make that longer, so the fastest of some counts.
func TestTakeOverWithinThreeSeconds(t *testing.T) {
	s := newSite(t)
	s.seedPositions(2)
	sink, events := s.kafka()
	s.drain("k", sink)
	leader, _ := s.background(sink, "streaming")
	var all []time.Duration
	for len(all) < 5 && (len(all) == 0 || slices.Min(all) > 3*time.Second) {
		waiting, standby := s.background(sink, "standby")
		leader.Process.Signal(syscall.SIGKILL) //nolint:errcheck // it runs
		begun := time.Now()
		leader.Wait() //nolint:errcheck // it was killed
		waitFor(t, standby, "took over")
		all, leader = append(all, time.Since(begun)), waiting
		before := len(events())
		s.exec(`update lowcap_positions set status = $1`, fmt.Sprint("taken over ", len(all)))
		s.waitForRecords(shared.started, "positions", before+2)
	}
	if slices.Min(all) > 3*time.Second {
		t.Errorf("standbys took over after %v", all)
	}
}
