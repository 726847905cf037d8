package cdc

import (
	"strings"
	"time"

	"lowcap-cdc/decode"
	"lowcap-cdc/schemas"
)

// The layouts of a timestamp, after a blank between date and time has become a T. Go reads a fraction by itself.
var zonedLayouts = [...]string{"2006-01-02T15:04:05Z07:00", "2006-01-02T15:04:05Z0700", "2006-01-02T15:04:05Z07"}

const naiveLayout = "2006-01-02T15:04:05"

// parseInstant reads a timestamp as Python's isoformat or Postgres writes it. One without a zone is naive and is read
// as UTC. Digits behind the microsecond do not count.
func parseInstant(text string) (at decode.Micros, naive, ok bool) {
	if len(text) > 10 && text[10] == ' ' {
		text = text[:10] + "T" + text[11:]
	}
	text = strings.Replace(text, "z", "Z", 1)
	for _, layout := range zonedLayouts {
		if t, err := time.Parse(layout, text); err == nil {
			return decode.Micros(t.UnixMicro()), false, true
		}
	}
	if t, err := time.Parse(naiveLayout, text); err == nil {
		return decode.Micros(t.UnixMicro()), true, true
	}
	return 0, false, false
}

// formatInstant prints an instant as the contract has it: RFC 3339, UTC, microseconds.
func formatInstant(at decode.Micros) schemas.Instant {
	return schemas.Instant(time.UnixMicro(int64(at)).UTC().Format("2006-01-02T15:04:05.000000Z"))
}

// seconds returns the time between two instants as a decimal number.
func seconds(from, to decode.Micros) schemas.Number {
	var d decimal
	d.coefficient.SetInt64(int64(to - from))
	d.scale = 6
	return schemas.Number(d.appendNormal(nil))
}
