package kafka_test

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/kversion"

	"lowcap-cdc/sink/kafka"
)

// TestCoordinatorIsAskedForOnce: who coordinates our transactions is asked when it is not known, and when it has moved, and not before
// each request, which was a round trip more in every transaction that follows another.
func TestCoordinatorIsAskedForOnce(t *testing.T) {
	for name, versions := range map[string]*kversion.Versions{"version 1": kversion.V3_9_0(), "version 2": kversion.Stable()} {
		t.Run(name, func(t *testing.T) {
			c, err := kfake.NewCluster(kfake.NumBrokers(3), kfake.SleepOutOfOrder(), kfake.MaxVersions(versions))
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			var asked atomic.Int32
			c.ControlKey(int16(kmsg.FindCoordinator), func(kmsg.Request) (kmsg.Response, error, bool) {
				c.KeepControl()
				asked.Add(1)
				return nil, nil, false
			})
			k := openKafka(t, c.ListenAddrs()[0])
			if err := k.Resume(t.Context(), func(string, []byte) error { return nil }); err != nil {
				t.Fatal(err)
			}
			for n := range 4 {
				before, moved := asked.Load(), n == 2
				if moved {
					moveCoordinator(t, c)
				}
				for i := range 3 {
					kafka.EndedJustNow(k)
					if err := k.Commit(t.Context(), oneEvent(3*n+i)); err != nil {
						t.Fatal(err)
					}
				}
				if asks := asked.Load() - before; (asks > 0) != (n == 0 || moved) || n == 0 && asks != 1 {
					t.Errorf("transactions %d to %d, moved %t: asked for %d times", 3*n, 3*n+2, moved, asks)
				}
			}
			if got := fmt.Sprintf("%s", committedValues(t, c.ListenAddrs()[0])); got != "[0 1 2 3 4 5 6 7 8 9 10 11]" {
				t.Errorf("committed %s", got)
			}
		})
	}
}

// moveCoordinator makes another broker coordinate the sink's transactions.
func moveCoordinator(t *testing.T, c *kfake.Cluster) {
	t.Helper()
	const id = "test.cdc-s"
	for before, tries := c.CoordinatorFor(id), 0; c.CoordinatorFor(id) == before; tries++ {
		if c.RehashCoordinators(); tries > 1000 {
			t.Fatal("the coordinator does not move")
		}
	}
}

// TestNoEventWaitsForTheVersion: which version of transactions holds is asked behind a transaction, and before one only when that
// was long ago.
func TestNoEventWaitsForTheVersion(t *testing.T) {
	c, addr := fake(t)
	var mu sync.Mutex
	var said []string
	c.Control(func(request kmsg.Request) (kmsg.Response, error, bool) {
		c.KeepControl()
		// A connection of the library begins with ApiVersions 0.
		if key := kmsg.Key(request.Key()); key == kmsg.ApiVersions && request.GetVersion() > 0 || key == kmsg.EndTxn {
			mu.Lock()
			defer mu.Unlock()
			said = append(said, key.Name())
		}
		return nil, nil, false
	})
	k := openKafka(t, addr)
	if err := k.Resume(t.Context(), func(string, []byte) error { return nil }); err != nil {
		t.Fatal(err)
	}
	for n, want := range []string{"[EndTxn]", "[EndTxn ApiVersions]", "[EndTxn]", "[ApiVersions EndTxn]"} {
		switch n {
		case 1:
			kafka.AgreedBefore(k, 12*time.Second)
		case 3:
			kafka.AgreedBefore(k, time.Minute)
		}
		if n == 0 {
			if err := k.Commit(t.Context(), oneEvent(100)); err != nil { // which makes the connections
				t.Fatal(err)
			}
		}
		mu.Lock()
		said = nil
		mu.Unlock()
		if err := k.Commit(t.Context(), oneEvent(n)); err != nil {
			t.Fatal(err)
		}
		mu.Lock()
		if got := fmt.Sprint(said); got != want {
			t.Errorf("transaction %d: %s, want %s", n, got, want)
		}
		mu.Unlock()
	}
}
