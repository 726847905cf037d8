package cdc

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
)

// heard writes down what the hooks were told, a word each.
func heard(words *[]string) Hooks {
	var mu sync.Mutex
	say := func(word string) {
		mu.Lock()
		defer mu.Unlock()
		*words = append(*words, word)
	}
	return Hooks{
		Starting: func() { say("starting") }, Resuming: func() { say("resuming") }, Loaded: func(key string, _ []byte) { say("loaded:" + key) },
		Resumed: func() { say("resumed") }, Started: func(Start) { say("started") }, Heard: func() { say("heard") },
		Committing: func(*Batch) { say("committing") }, Durable: func(*Batch) { say("durable") }, Committed: func(Progress) { say("committed") },
	}
}

// TestHooks: what is told, and in which order. Nothing is told that has not happened.
func TestHooks(t *testing.T) {
	messages := blockTape(1)
	run := func(sink Sink) ([]string, error) {
		var words, others []string
		p := &Pipeline{Source: &tape{messages: messages, end: len(messages)}, Sink: sink, Slot: "s", Hooks: Tee(heard(&words), heard(&others))}
		err := p.Run(context.Background())
		if !slices.Equal(words, others) {
			t.Errorf("two listeners heard %q and %q", words, others)
		}
		return words, err
	}
	sink := &memorySink{state: make(map[string]string)}
	words, err := run(sink)
	const round = "committing durable committed"
	if got := strings.Join(words, " "); !strings.HasPrefix(got, "starting resuming resumed started heard") || strings.Count(got, round) < 2 {
		t.Errorf("heard %s", got)
	}
	var part *PartError
	if !errors.As(err, &part) || part.Part != PartSource || err.Error() != "read source: "+errTapeEnds.Error() {
		t.Errorf("ended with %v", err)
	}
	words, _ = run(sink)
	if got := strings.Join(words, " "); !strings.Contains(got, "loaded:"+CheckpointKey) {
		t.Errorf("the second run heard %s", got)
	}
	words, err = run(&brokenSink{memorySink{state: make(map[string]string)}})
	if got := strings.Join(words, " "); strings.Contains(got, "durable") || strings.Contains(got, "committed") ||
		!strings.HasSuffix(got, "committing") {
		t.Errorf("nothing was committed, and heard was %s", got)
	}
	if !errors.As(err, &part) || part.Part != PartSink {
		t.Errorf("ended with %v", err)
	}
}

// brokenSink fails every commit but a claim.
type brokenSink struct{ memorySink }

func (s *brokenSink) Commit(context.Context, *Batch) error { return errors.New("no") }
