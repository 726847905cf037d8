package monitor

import (
	"os"
	"runtime/debug"
)

const (
	// workingMemory makes the garbage collector work harder before the process grows past what the sidecar promises
	// (64 MB resident, and the images that it has to know). It is a soft limit.
	workingMemory = 40 << 20
	// imageOverhead is what a row takes beside its image: in the file sink's index of live keys, and in the list of keys
	// that a snapshot or a TRUNCATE goes through.
	imageOverhead = 80
)

// imageStep is by how many bytes images may grow before the collector is told.
const imageStep = 4 << 20

// memory tells the collector how much it may leave uncollected: what the work needs, beside the images. Without the
// second part it would collect without an end once the images alone are more than the limit. GOMEMLIMIT has precedence.
type memory struct{ images int64 }

// holds says how many images there are, and their bytes.
func (m *memory) holds(rows int, bytes int64) {
	images := bytes + int64(rows)*imageOverhead
	if change := images - m.images; change > imageStep || change < -imageStep {
		m.images = images
		LimitMemory(images)
	}
}

// LimitMemory sets the limit for images of this many bytes.
func LimitMemory(images int64) {
	if os.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(workingMemory + images)
	}
}
