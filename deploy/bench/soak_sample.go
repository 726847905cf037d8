package main

import (
	"bufio"
	"context"
	"fmt"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

// observed is a process that a soak looks at.
type observed struct {
	pid int
	url string // of its metrics
}

// look returns resident bytes, heap bytes in use, goroutines and open descriptors, and every metric, summed over its labels.
func (p observed) look(ctx context.Context) (four []float64, metrics map[string]float64, err error) {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.pid))
	if err != nil {
		return nil, nil, err
	}
	m := memory.FindSubmatch(status)
	if m == nil {
		return nil, nil, fmt.Errorf("process %d has ended", p.pid)
	}
	resident, _ := strconv.ParseFloat(string(m[2]), 64)
	descriptors, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", p.pid))
	if err != nil {
		return nil, nil, err
	}
	if metrics, err = scrape(ctx, p.url); err != nil {
		return nil, nil, err
	}
	heap, isHeap := metrics["go_memstats_heap_inuse_bytes"]
	goroutines, isGoroutines := metrics["go_goroutines"]
	if !isHeap || !isGoroutines { // 0 would never grow
		return nil, nil, fmt.Errorf("%s has no heap or no goroutines among %d metrics", p.url, len(metrics))
	}
	return []float64{resident * 1024, heap, goroutines, float64(len(descriptors))}, metrics, nil
}

// scrape reads metrics in Prometheus' text format.
func scrape(ctx context.Context, url string) (map[string]float64, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close() //nolint:errcheck // it was read
	if answer.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s: %s", url, answer.Status)
	}
	metrics := make(map[string]float64)
	lines := bufio.NewScanner(answer.Body)
	for lines.Scan() {
		at := strings.LastIndexByte(lines.Text(), ' ')
		if at < 0 || lines.Text()[0] == '#' {
			continue
		}
		name, _, _ := strings.Cut(lines.Text()[:at], "{")
		value, err := strconv.ParseFloat(lines.Text()[at+1:], 64)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", url, err)
		}
		metrics[name] += value
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("%s: %w", url, err)
	}
	return metrics, nil
}

// sampler takes the samples of a soak.
type sampler struct {
	began           time.Time
	sidecar, notify observed
	conn            *pgx.Conn
	slot            string
	client          *kgo.Client
	state           string       // the topic
	records         atomic.Int64 // in it, when they were last counted
	notified        *atomic.Int64
}

// sample returns the seconds since the begin, and the values in the order of soaked.
func (s *sampler) sample(ctx context.Context) ([]float64, error) {
	own, metrics, err := s.sidecar.look(ctx)
	if err != nil {
		return nil, fmt.Errorf("sidecar: %w", err)
	}
	beside, _, err := s.notify.look(ctx)
	if err != nil {
		return nil, fmt.Errorf("notify: %w", err)
	}
	state, err := topicSize(ctx, s.client, s.state)
	if err != nil {
		return nil, err
	}
	var kept, changes float64
	err = s.conn.QueryRow(ctx, `select pg_wal_lsn_diff(pg_current_wal_lsn(), restart_lsn)::float8,
		(select sum(n_tup_ins + n_tup_upd + n_tup_del)::float8 from pg_stat_user_tables)
		from pg_replication_slots where slot_name = $1`, s.slot).Scan(&kept, &changes)
	if err != nil {
		return nil, fmt.Errorf("slot %s: %w", s.slot, err)
	}
	all := append([]float64{time.Since(s.began).Seconds()}, own...)
	all = append(all, beside...)
	records := float64(s.records.Load())
	return append(all, state, records, records, kept, metrics["lowcap_cdc_end_to_end_latency_seconds_sum"], used(s.sidecar.pid), changes,
		metrics["lowcap_cdc_commits_total"], metrics["lowcap_cdc_events_total"], float64(s.notified.Load()),
		metrics["lowcap_cdc_restarts_total"]), nil
}

// topicSize returns the bytes that a topic takes on the broker's disk.
func topicSize(ctx context.Context, client *kgo.Client, topic string) (float64, error) {
	all, err := kadm.NewClient(client).DescribeAllLogDirs(ctx, nil)
	if err != nil {
		return 0, fmt.Errorf("describe log directories: %w", err)
	}
	var size int64
	all.Each(func(dir kadm.DescribedLogDir) {
		for _, partition := range dir.Topics[topic] {
			size += partition.Size
		}
	})
	return float64(size), nil
}

// keepCounting counts the records of the state topic again and again.
func (s *sampler) keepCounting(ctx context.Context, addr string, every time.Duration) {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		if n, err := countRecords(ctx, addr, s.state); err == nil {
			s.records.Store(n)
		} else if ctx.Err() == nil {
			progress("soak: the records of %s were not counted: %v", s.state, err)
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// countRecords returns how many records a topic holds, up to its end of now, those that end transactions included.
func countRecords(ctx context.Context, addr, topic string) (n int64, err error) {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	client, err := kgo.NewClient(kgo.SeedBrokers(addr), kgo.ConsumeTopics(topic), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
		kgo.KeepControlRecords())
	if err != nil {
		return 0, err
	}
	defer client.Close()
	ends, err := kadm.NewClient(client).ListEndOffsets(ctx, topic)
	if err != nil {
		return 0, err
	}
	behind := make(map[int32]int64) // where a partition ends that is not read yet
	ends.Each(func(o kadm.ListedOffset) {
		if o.Offset > 0 {
			behind[o.Partition] = o.Offset
		}
	})
	for len(behind) > 0 {
		fetches := client.PollFetches(ctx)
		if err := fetches.Err(); err != nil {
			return 0, err
		}
		fetches.EachRecord(func(r *kgo.Record) {
			if end, unread := behind[r.Partition]; unread {
				n++
				if r.Offset+1 >= end {
					delete(behind, r.Partition)
				}
			}
		})
	}
	return n, nil
}
