package kafka_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"lowcap-cdc/cdc"
)

// withImages is a batch of so many images, and a checkpoint behind them.
func withImages(n, images int) *cdc.Batch {
	batch := &cdc.Batch{}
	for i := range images {
		batch.State = append(batch.State, cdc.StateRecord{Key: fmt.Sprint("position/", i), Value: []byte("image")})
	}
	batch.State = append(batch.State, cdc.StateRecord{Key: cdc.CheckpointKey, Value: fmt.Append(nil, n)})
	return batch
}

// TestNewestCheckpoint: a cursor finds the newest checkpoint without the images between two looks, which under load are a hundred
// thousand; and where what was aborted behind it is longer than what is looked at first.
func TestNewestCheckpoint(t *testing.T) {
	_, addr := fake(t)
	k := openKafka(t, addr)
	if err := k.Resume(t.Context(), loadNothing); err != nil {
		t.Fatal(err)
	}
	cursor := openKafka(t, addr).CheckpointCursor()
	look := func() (seen string) {
		t.Helper()
		if err := cursor.Read(t.Context(), func(value []byte) error {
			seen += string(value) + " "
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		return seen
	}
	commit := func(n, images int) {
		t.Helper()
		if err := k.Commit(t.Context(), withImages(n, images)); err != nil {
			t.Fatal(err)
		}
	}
	if seen := look(); seen != "" {
		t.Errorf("in an empty topic: %s", seen)
	}
	commit(1, 0)
	commit(2, 0)
	if seen := look(); seen != "1 2 " {
		t.Errorf("of few records: %s", seen)
	}
	for n := 3; n <= 8; n++ {
		commit(n, 900)
	}
	if seen := look(); seen != "7 8 " {
		t.Errorf("of many records: %s", seen)
	}
	if seen := look(); seen != "" {
		t.Errorf("of nothing new: %s", seen)
	}
	commit(9, 0)
	half := withImages(10, 3000)
	half.More = true
	if err := k.Commit(t.Context(), half); err != nil {
		t.Fatal(err)
	}
	k = openKafka(t, addr)
	if err := k.Resume(t.Context(), loadNothing); err != nil { // which aborts that
		t.Fatal(err)
	}
	if seen := look(); seen != "9 " {
		t.Errorf("before what was aborted: %s", seen)
	}
}

// TestNewestCheckpointAfterAnError: what could not be read is read the next time.
func TestNewestCheckpointAfterAnError(t *testing.T) {
	_, addr := fake(t)
	k := openKafka(t, addr)
	if err := k.Resume(t.Context(), loadNothing); err != nil {
		t.Fatal(err)
	}
	for n := range 3 {
		if err := k.Commit(t.Context(), withImages(n, 900)); err != nil {
			t.Fatal(err)
		}
	}
	cursor, failed := openKafka(t, addr).CheckpointCursor(), errors.New("not now")
	if err := cursor.Read(t.Context(), func([]byte) error { return failed }); !errors.Is(err, failed) {
		t.Errorf("got %v", err)
	}
	ended, end := context.WithCancel(t.Context())
	end()
	if err := cursor.Read(ended, func([]byte) error { return nil }); err == nil {
		t.Error("a reading that was ended gives no error")
	}
	newest := ""
	if err := cursor.Read(t.Context(), func(value []byte) error { newest = string(value); return nil }); err != nil || newest != "2" {
		t.Errorf("%q, %v", newest, err)
	}
}
