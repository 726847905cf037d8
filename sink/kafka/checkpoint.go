package kafka

import (
	"context"
	"fmt"

	"lowcap-cdc/cdc"
)

// newestWithin is how many offsets before the end are looked at first. Each commit ends with a checkpoint, so the newest one is there
// unless what was aborted behind it is longer.
const newestWithin = 1000

// CheckpointCursor finds the slot's newest checkpoint again and again. The images between two of them are thousands a second under
// load, and are read only where the end holds no checkpoint.
type CheckpointCursor struct {
	k      *Sink
	next   map[partition]int64
	owners owners
}

// CheckpointCursor returns a cursor that has read nothing yet. It does not connect.
func (k *Sink) CheckpointCursor() *CheckpointCursor {
	return &CheckpointCursor{k, make(map[partition]int64), make(owners)}
}

// Read hands to load the checkpoints that it comes across since the last time, in their order, at least the newest one; nil is one that
// was deleted. It returns a *sink.ClusterError for topics that only another slot has written to.
func (c *CheckpointCursor) Read(ctx context.Context, load func(value []byte) error) error {
	leaders, err := c.k.leaders(ctx, []string{c.k.stateTopic()})
	if err != nil {
		return err
	}
	for at := range leaders {
		if err := c.readPartition(ctx, at, load); err != nil {
			return err
		}
	}
	return c.k.ownTopics(c.owners)
}

func (c *CheckpointCursor) readPartition(ctx context.Context, at partition, load func(value []byte) error) error {
	first, stable, err := c.k.offsets(ctx, at.topic, at.id)
	if err != nil {
		return fmt.Errorf("read offsets of %s/%d: %w", at.topic, at.id, err)
	}
	if c.next[at] > stable {
		c.next[at] = first // another topic of that name
	}
	c.next[at] = max(c.next[at], first)
	if late := stable - newestWithin; late > c.next[at] {
		found, end, err := c.readTo(ctx, at, late, stable, load)
		if err != nil {
			return err
		}
		if found {
			c.next[at] = end
			return nil
		}
	}
	_, c.next[at], err = c.readTo(ctx, at, c.next[at], stable, load)
	return err
}

// readTo reads up to an end, and reports whether there was a checkpoint, and how far it came.
func (c *CheckpointCursor) readTo(ctx context.Context, at partition, next, end int64, load func(value []byte) error) (bool, int64, error) {
	found := false
	v := c.k.ours(c.owners, func(key string, value []byte) error {
		if key != cdc.CheckpointKey {
			return nil
		}
		found = true
		return load(value)
	})
	for next < end {
		var err error
		if next, err = c.k.fetchCommitted(ctx, at, next, end, v); err != nil {
			return found, next, fmt.Errorf("read %s/%d at %d: %w", at.topic, at.id, next, err)
		}
	}
	return found, next, nil
}
