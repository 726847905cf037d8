package settings

import (
	"testing"
	"time"
)

func TestParsePointReadsAges(t *testing.T) {
	now := time.Date(2026, 1, 18, 11, 0, 0, 0, time.UTC)
	for text, age := range map[string]time.Duration{
		"1h": time.Hour, "90s": 90 * time.Second, "1d": 24 * time.Hour, "2w": 14 * 24 * time.Hour,
		"1w2d3h": 219 * time.Hour, "1d12h": 36 * time.Hour,
	} {
		point, err := ParsePoint(text, now)
		if err != nil || !point.Time.Equal(now.Add(-age)) {
			t.Errorf("%s is %v, %v; want %v before now", text, point.Time, err, age)
		}
	}
	for _, wrong := range []string{"1", "d", "w", "1d2w", "1.5d", "100000d", "1dd", "1d x", "-1h", "1d-2h", "20000w", "99999w", "9999w9999d", "2000000h"} {
		if point, err := ParsePoint(wrong, now); err == nil {
			t.Errorf("%q is read as %v", wrong, point.Time)
		}
	}
}
