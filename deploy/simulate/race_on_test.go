//go:build race

package simulate

// raceDetector makes the runtime run goroutines in random order. Batches may then be cut elsewhere, so a seed has more than one run.
const raceDetector = true
