package monitor

import (
	"os"
	"runtime"
	"runtime/debug"
	stats "runtime/metrics"
	"sync"
)

const (
	// workingMemory makes the garbage collector work harder before the process grows past what the sidecar promises
	// (64 MB resident, and the images that it has to know). It is a soft limit.
	workingMemory = 40 << 20
	// imageOverhead is what a row takes beside its image: in the file sink's index of live keys, and in the list of keys
	// that a snapshot or a TRUNCATE goes through.
	imageOverhead = 80
)

const (
	// imageStep is by how many bytes images may grow before the collector is told.
	imageStep = 4 << 20
	// limitStep is by how many bytes the limit may be wrong.
	limitStep = 1 << 20
	// leastRoom is what may be allocated between two collections at least: little, for what a huge row needs is given back.
	leastRoom = 4 << 20
	// muchAlive is from when on the room grows with what is alive beside the images: each collection goes through all of it.
	muchAlive = 64 << 20
)

// collector tells the garbage collector how much it may leave uncollected: what the work needs, beside the images. Where so much
// is alive that little room is left below that, it gets room nevertheless: it would collect without an end, for half of the
// processor's time.
type collector struct {
	mu      sync.Mutex
	images  int64 // bytes that the images take
	limit   int64
	samples [5]stats.Sample
}

// limits is the process's only one, nil where GOMEMLIMIT has precedence.
var limits *collector

// LimitMemory sets the limit, and anew after each collection.
func LimitMemory() {
	if os.Getenv("GOMEMLIMIT") != "" {
		return
	}
	limits = newCollector()
	limits.update()
	limits.follow(&collected{of: limits})
}

func newCollector() *collector {
	c := &collector{}
	for i, name := range []string{"/gc/heap/live:bytes", "/memory/classes/total:bytes", "/memory/classes/heap/released:bytes",
		"/memory/classes/heap/free:bytes", "/memory/classes/heap/objects:bytes"} {
		c.samples[i].Name = name
	}
	return c
}

// collected is nothing that anybody holds: each collection finds that, and its finalizer tells of it.
type collected struct{ of *collector }

func (c *collector) follow(end *collected) {
	runtime.SetFinalizer(end, func(end *collected) {
		end.of.update()
		end.of.follow(end)
	})
}

// holds says how many images there are, and their bytes.
func (c *collector) holds(rows int, bytes int64) {
	if c == nil {
		return
	}
	images := bytes + int64(rows)*imageOverhead
	c.mu.Lock()
	change := images - c.images
	isLarge := change > imageStep || change < -imageStep
	if isLarge {
		c.images = images
	}
	c.mu.Unlock()
	if isLarge {
		c.update()
	}
}

// update sets the limit, where it is wrong.
func (c *collector) update() {
	c.mu.Lock()
	defer c.mu.Unlock()
	stats.Read(c.samples[:])
	value := func(i int) int64 { return int64(c.samples[i].Value.Uint64()) }
	limit := limitFor(c.images, value(0), value(1)-value(2)-value(3)-value(4))
	if change := limit - c.limit; change > limitStep || change < -limitStep {
		c.limit = limit
		debug.SetMemoryLimit(limit)
	}
}

// limitFor returns the limit for this many bytes of images, of everything that is alive, and of what the runtime takes beside it.
func limitFor(images, live, beside int64) int64 {
	room := max(leastRoom, (live-images-muchAlive)/4)
	own := live/32 + limitStep // the runtime stays below the limit by 3 %, and by a megabyte at least
	return max(workingMemory+images, live+room+own+beside)
}
