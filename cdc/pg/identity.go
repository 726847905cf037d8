package pg

import (
	"strconv"
	"strings"

	"lowcap-cdc/decode"
)

// endOfTimeline finds where a timeline was left, in a history file: lines of number, LSN and reason, oldest first
// (PostgreSQL manual, "Timelines").
func endOfTimeline(history string, timeline int32) (end decode.LSN, ended bool) {
	for line := range strings.Lines(history) {
		fields := strings.Fields(line)
		if len(fields) < 2 {
			continue
		}
		number, err := strconv.ParseInt(fields[0], 10, 32)
		if err != nil || int32(number) != timeline {
			continue
		}
		if end, err := decode.ParseLSN(fields[1]); err == nil {
			return end, true
		}
	}
	return 0, false
}
