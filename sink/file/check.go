package file

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"lowcap-cdc/cdc/check"
	"lowcap-cdc/sink"
)

// leastSpace is how much room a disk should have, in bytes: what a busy hour writes, and a compaction of the log.
const leastSpace = 1 << 30

// Check looks at what a run needs, and at what is there already; it hands the state that is there to load. It changes nothing.
func (f *Sink) Check(ctx context.Context, load func(key string, value []byte) error) []check.Finding {
	info, err := os.Stat(f.dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return f.checkMissing()
	case err != nil:
		return []check.Finding{{Name: "file sink", Severity: check.Fail, Detail: err.Error(), Repair: "ls -lad " + f.dir}}
	case !info.IsDir():
		return []check.Finding{{Name: "file sink", Severity: check.Fail, Detail: f.dir + " is a file, not a directory",
			Repair: "lowcap-cdc check, with a directory in --sink file:DIR"}}
	}
	return append(f.checkDir(info), f.checkSpace(f.dir), f.checkContent(ctx, load))
}

// checkMissing looks whether a run can make the directory.
func (f *Sink) checkMissing() []check.Finding {
	parent := f.dir
	for parent != filepath.Dir(parent) {
		if _, err := os.Stat(parent); err == nil {
			break
		}
		if _, err := os.Lstat(parent); err == nil { // as when the disk is not mounted
			return []check.Finding{{Name: "file sink", Severity: check.Fail, Detail: parent + " is a link that leads nowhere", Repair: "ls -lad " + parent}}
		}
		parent = filepath.Dir(parent)
	}
	if err := writable(parent); err != nil {
		return []check.Finding{{Name: "file sink", Severity: check.Fail, Detail: fmt.Sprintf("cannot make %s in %s: %v", f.dir, parent, err),
			Repair: "ls -lad " + parent}}
	}
	return []check.Finding{{Name: "file sink", Severity: check.OK, Detail: f.dir + " does not exist yet; run makes it"}, f.checkSpace(parent)}
}

func writable(dir string) error {
	const write, search = 2, 1 // access(2)
	return syscall.Access(dir, write|search)
}

// checkDir looks who may write and read, and who writes.
func (f *Sink) checkDir(info fs.FileInfo) (findings []check.Finding) {
	access := check.Finding{Name: "file sink", Severity: check.OK, Detail: f.dir + ", nobody is writing"}
	locked, err := f.isLocked()
	if locked {
		access.Detail = f.dir + ", an instance is writing"
	}
	if err == nil {
		err = f.access()
	}
	if err != nil {
		access.Severity, access.Detail = check.Fail, err.Error()
		access.Repair = "ls -la " + f.dir
	}
	findings = append(findings, access)
	if mode := info.Mode().Perm(); mode&0o007 != 0 {
		findings = append(findings, check.Finding{Name: "file sink access", Severity: check.Warn,
			Detail: fmt.Sprintf("%s has mode %v: every user of this host can look into it", f.dir, mode),
			Repair: "chmod o= " + f.dir})
	}
	return findings
}

// access says what a run may not write.
func (f *Sink) access() error {
	if err := writable(f.dir); err != nil {
		return fmt.Errorf("write in %s: %w", f.dir, err)
	}
	for _, name := range []string{lockName, stateName, eventsName} {
		const read, write = 4, 2 // access(2)
		err := syscall.Access(f.path(name), read|write)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("read and write %s: %w", f.path(name), err)
		}
	}
	return nil
}

// isLocked reports whether an instance holds the directory.
func (f *Sink) isLocked() (bool, error) {
	dir, err := os.Open(f.dir)
	if err != nil {
		return false, err
	}
	defer dir.Close() //nolint:errcheck // it was only read
	err = syscall.Flock(int(dir.Fd()), syscall.LOCK_SH|syscall.LOCK_NB)
	return errors.Is(err, syscall.EWOULDBLOCK), nil
}

func (f *Sink) checkSpace(dir string) check.Finding {
	found := check.Finding{Name: "file sink space", Severity: check.OK}
	var disk syscall.Statfs_t
	if err := syscall.Statfs(dir, &disk); err != nil {
		found.Severity, found.Detail, found.Repair = check.Warn, err.Error(), "df -h "+dir
		return found
	}
	free := uint64(disk.Bavail) * uint64(disk.Bsize) //nolint:unconvert // other systems have other types there
	found.Detail = fmt.Sprintf("%d MB are free", free>>20)
	switch {
	case free < 1<<20:
		found.Severity = check.Fail
	case free < leastSpace:
		found.Severity = check.Warn
	}
	if found.Severity != check.OK {
		found.Repair = "make room, or remove the oldest segments; df -h " + dir
	}
	return found
}

// checkContent reads what readers and a run rely on.
func (f *Sink) checkContent(ctx context.Context, load func(string, []byte) error) check.Finding {
	found := check.Finding{Name: "file sink content", Severity: check.OK}
	_, state := os.Lstat(f.path(stateName))
	_, events := os.Lstat(f.path(eventsName))
	if errors.Is(state, fs.ErrNotExist) && errors.Is(events, fs.ErrNotExist) {
		found.Detail = "empty; run begins with a snapshot"
		return found
	}
	v, err := f.openView()
	if err == nil {
		defer v.close()
		err = errors.Join(v.verify(ctx, 0), f.hole(v), f.ReadState(ctx, load))
	}
	if err != nil {
		found.Severity, found.Detail = check.Fail, err.Error()
		found.Repair = "restore the directory from a backup"
		if errors.Is(err, fs.ErrPermission) {
			found.Repair = "ls -la " + f.dir
		}
		return found
	}
	found.Detail = fmt.Sprintf("%d bytes of events committed in %s, %d finished segments", v.length, eventsName, len(v.segments))
	return found
}

// Kept implements Reader: the oldest segments may have been removed. Topic is the oldest file that is there.
func (f *Sink) Kept(context.Context) ([]sink.Kept, error) {
	v, err := f.openView()
	if err != nil {
		return nil, err
	}
	defer v.close()
	segments, events := v.removed()
	if segments == 0 {
		return nil, nil
	}
	kept := sink.Kept{Topic: eventsName, First: int64(events), Segments: segments}
	if segments < len(v.segments) {
		kept.Topic = v.segments[segments].File
	}
	return []sink.Kept{kept}, nil
}

// CheckSegments holds every finished segment against the manifest, and calls found for each that is missing between
// others, damaged or altered.
func (f *Sink) CheckSegments(ctx context.Context, found func(finding string)) error {
	v, err := f.openView()
	if err != nil {
		return err
	}
	defer v.close()
	segments, _ := v.removed()
	for _, s := range v.segments[segments:] {
		if err := ctx.Err(); err != nil {
			return err
		}
		if finding := f.checkSegment(s); finding != "" {
			found(s.File + " " + finding)
		}
	}
	return nil
}

// checkSegment returns what is wrong with a segment, or nothing. One that is not listed yet has nothing to be held against.
func (f *Sink) checkSegment(s segmentFile) string {
	if !s.there {
		return "is missing, though older segments are there"
	}
	text, err := f.openSegment(s)
	if err != nil {
		return "cannot be read: " + err.Error()
	}
	defer text.Close() //nolint:errcheck // it was only read
	t := newTally()
	if _, err := io.Copy(t, text); err != nil {
		return "cannot be read: " + err.Error()
	}
	if finding := s.compare(t); finding != "" {
		return finding
	}
	return f.checkTwin(s, t)
}

// checkTwin holds the compressed form of a segment against its text where both are there: this program reads the text then, and
// another one may read the other.
func (f *Sink) checkTwin(s segmentFile, text *tally) string {
	first := s.FirstSequence
	if _, err := os.Lstat(f.path(segmentText(first))); err != nil {
		return ""
	}
	zip, err := openZip(f.path(segmentText(first)+zipSuffix), text.bytes+1)
	if errors.Is(err, fs.ErrNotExist) {
		return ""
	}
	if err != nil {
		return "is there compressed too, which cannot be read: " + err.Error()
	}
	defer zip.Close() //nolint:errcheck // it was only read
	t := newTally()
	if _, err := io.Copy(t, zip); err != nil {
		return "is there compressed too, which cannot be read: " + err.Error()
	}
	if !bytes.Equal(t.sum.Sum(nil), text.sum.Sum(nil)) {
		return "is there compressed too, with another text"
	}
	return ""
}

// Uncommitted returns how many bytes stand behind the last commit. A moment later they may be committed; after a crash they are
// cut off. A program that reads the file itself sees them.
func (f *Sink) Uncommitted() (int64, error) {
	v, err := f.openView()
	if err != nil {
		return 0, err
	}
	defer v.close()
	if v.live == nil {
		return 0, nil
	}
	info, err := v.live.Stat()
	if err != nil {
		return 0, err
	}
	return max(0, info.Size()-v.length), nil
}

// compare returns how the text of a segment differs from what the manifest says of it, or nothing.
func (s *segmentFile) compare(t *tally) string {
	if s.SHA256 == "" {
		return "" // not listed yet
	}
	got, err := t.segment(s.File)
	if err != nil {
		return err.Error()
	}
	if got != s.Segment {
		return fmt.Sprintf("holds %d events in %d bytes with SHA-256 %s, the manifest says %d, %d, %s",
			got.Events, got.Bytes, got.SHA256, s.Events, s.Bytes, s.SHA256)
	}
	return ""
}
