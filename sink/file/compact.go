package file

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
)

// compactSlack is what state.log may hold, in bytes, beyond twice its live entries before it is rewritten.
const compactSlack = 1 << 20

// entryOverhead is at least what the lengths of an entry take in the log, in bytes.
const entryOverhead = 8

// liveSet knows which entries of the log still count. An entry is named by its ordinal in the log, so the values stay
// on disk; a key is known by its digest, because there may be a million of them.
type liveSet struct {
	entries map[keyDigest]liveEntry
	bytes   int64  // the size of the live entries
	ordinal uint32 // entries so far; compaction starts again at 0
}

type keyDigest [16]byte

func digestOf(key string) keyDigest {
	sum := sha256.Sum256([]byte(key))
	return keyDigest(sum[:16])
}

type liveEntry struct {
	ordinal uint32
	bytes   uint32
}

func newLiveSet() *liveSet { return &liveSet{entries: make(map[keyDigest]liveEntry)} }

// isLive reports whether the entry with an ordinal is its key's last one.
func (l *liveSet) isLive(key string, ordinal uint32) bool {
	return l.entries[digestOf(key)].ordinal == ordinal
}

// apply adds the next entry of the log.
func (l *liveSet) apply(key string, value []byte) {
	digest := digestOf(key)
	l.ordinal++
	l.bytes -= int64(l.entries[digest].bytes)
	if value == nil {
		delete(l.entries, digest)
		return
	}
	entry := liveEntry{ordinal: l.ordinal, bytes: uint32(len(key)+len(value)) + entryOverhead}
	l.entries[digest] = entry
	l.bytes += int64(entry.bytes)
}

// compact rewrites state.log without what no longer counts, when that is more than half of it, or when the log has no tip
// yet. The new log is complete and durable before it gets the old one's name, and nothing is appended before that name is
// durable; so whichever of the two a crash leaves says the same.
func (f *Sink) compact() error {
	if f.log.offset <= 2*f.live.bytes+compactSlack && !f.log.untipped {
		return nil
	}
	log, err := createLog(f.path(newName))
	if err != nil {
		return fmt.Errorf("compact state: %w", err)
	}
	live, err := f.rewrite(log)
	if err != nil {
		return fmt.Errorf("compact state: %w", errors.Join(err, log.file.Close()))
	}
	old := f.log.file
	f.log, f.live = log, live
	return old.Close()
}

// rewrite fills log with the live entries and puts it in the place of state.log.
func (f *Sink) rewrite(log *logWriter) (*liveSet, error) {
	live, err := f.copyLive(log)
	if err != nil {
		return nil, err
	}
	if err := log.syncParts(); err != nil {
		return nil, err
	}
	if err := log.commit(f.committed); err != nil {
		return nil, err
	}
	if err := f.options.Hook(pointRename); err != nil {
		return nil, err
	}
	if err := os.Rename(f.path(newName), f.path(stateName)); err != nil {
		return nil, err
	}
	if err := f.options.Hook(pointRenamed); err != nil {
		return nil, err
	}
	return live, syncDir(f.dir)
}

// copyLive writes the live entries of the old log to the new one, in their old order.
func (f *Sink) copyLive(log *logWriter) (*liveSet, error) {
	live := newLiveSet()
	var ordinal uint32
	err := f.eachCommitted(func(key string, value []byte) error {
		ordinal++
		if value == nil || !f.live.isLive(key, ordinal) {
			return nil
		}
		live.apply(key, value)
		return log.add(key, value)
	})
	return live, err
}
