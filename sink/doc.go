// Package sink is what all sinks share: how committed events are read back, and which errors an operator must repair.
// The sinks themselves are in the packages kafka and file, which do not know each other; Stdout only prints.
package sink
