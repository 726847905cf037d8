//go:build failpoint

package settings

import (
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
)

// failpoint kills the process, as kill -9 does, when it passes the point that LOWCAP_CDC_FAILPOINT names (point:n) for
// the n-th time.
func failpoint() func(string) error {
	name, times, _ := strings.Cut(os.Getenv("LOWCAP_CDC_FAILPOINT"), ":")
	limit, err := strconv.Atoi(times)
	if err != nil {
		limit = 1
	}
	var passed atomic.Int64
	return func(point string) error {
		trace(point)
		if point == name && passed.Add(1) == int64(limit) {
			return syscall.Kill(os.Getpid(), syscall.SIGKILL)
		}
		return nil
	}
}
