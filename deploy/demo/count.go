package main

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/twmb/franz-go/pkg/kgo"

	"lowcap-cdc/deploy/lab"
)

func topics() []string {
	names := []string{"entry-blocks", "trim-pools", "emergency-exits", "executions", "positions", "quarantine", "control"}
	for i := range names {
		names[i] = prefix + names[i]
	}
	return names
}

// printEvents prints events as they are committed, until ctx ends.
func printEvents(ctx context.Context, addr string) error {
	client, err := kgo.NewClient(kgo.SeedBrokers(addr), kgo.ConsumeTopics(topics()...), kgo.FetchIsolationLevel(kgo.ReadCommitted()),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	if err != nil {
		return err
	}
	defer client.Close()
	for {
		fetches := client.PollFetches(ctx)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		fetches.EachRecord(func(r *kgo.Record) {
			at, kind, severity := header(r, "ce_time"), header(r, "ce_type"), header(r, "ce_severity")
			code := map[string]string{"page": "1;31", "warn": "33", "info": "36"}[severity]
			fmt.Printf("  %s  %s  %s\n", at[11:23], color(code, fmt.Sprintf("%-32s", short(kind))), header(r, "ce_subject"))
		})
	}
}

func header(r *kgo.Record, name string) string {
	for _, h := range r.Headers {
		if h.Key == name {
			return string(h.Value)
		}
	}
	return ""
}

// verdict compares what a committed reader finds in Kafka with what the undisturbed run wrote, byte for byte.
func verdict(ctx context.Context, addr, reference string) (clean bool, err error) {
	records, err := lab.ReadCommitted(ctx, addr, topics()...)
	if err != nil {
		return false, err
	}
	file, err := os.ReadFile(reference)
	if err != nil {
		return false, err
	}
	got, want := lab.Events(records), strings.Split(strings.TrimSuffix(string(file), "\n"), "\n")
	seen, expected, types := make(map[string]int), make(map[string]int), make(map[string]int)
	for _, e := range got {
		seen[e]++
		types[typeOf(e)]++
	}
	for _, e := range want {
		expected[e]++
	}
	lost, doubled := 0, 0
	for e, n := range expected {
		lost += max(0, n-seen[e])
	}
	for e, n := range seen {
		doubled += max(0, n-expected[e])
	}
	disorder := outOfOrder(records)
	fmt.Println()
	for _, t := range slices.Sorted(maps.Keys(types)) {
		fmt.Printf("  %-34s %4d\n", short(t), types[t])
	}
	fmt.Printf("  %-34s %4d\n  lost %d   doubled %d   out of order %d   (against an undisturbed run, byte for byte)\n",
		"all", len(got), lost, doubled, disorder)
	return lost+doubled+disorder == 0 && len(got) > 0, nil
}

// outOfOrder counts records that come after one with a higher sequence in the same partition.
func outOfOrder(records []*kgo.Record) int {
	byPlace := slices.Clone(records)
	slices.SortStableFunc(byPlace, func(a, b *kgo.Record) int {
		return strings.Compare(fmt.Sprintf("%s/%d/%019d", a.Topic, a.Partition, a.Offset),
			fmt.Sprintf("%s/%d/%019d", b.Topic, b.Partition, b.Offset))
	})
	n := 0
	for i := 1; i < len(byPlace); i++ {
		a, b := byPlace[i-1], byPlace[i]
		if a.Topic == b.Topic && a.Partition == b.Partition && header(a, "ce_sequence") >= header(b, "ce_sequence") {
			n++
		}
	}
	return n
}

func typeOf(event string) string {
	var e struct{ Type string }
	if json.Unmarshal([]byte(event), &e) != nil {
		return "unreadable"
	}
	return e.Type
}
