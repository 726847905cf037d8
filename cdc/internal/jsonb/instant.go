package jsonb

import (
	"strings"
	"time"

	"lowcap-cdc/decode"
	"lowcap-cdc/schemas"
)

// The layouts of a timestamp, after a blank between date and time has become a T. Go reads a fraction by itself.
var zonedLayouts = [...]string{"2006-01-02T15:04:05Z07:00", "2006-01-02T15:04:05Z0700", "2006-01-02T15:04:05Z07",
	"2006-01-02T15:04Z07:00", "2006-01-02T15:04:05Z07:00:00", "20060102T150405Z0700", "20060102T150405Z07:00"}

// longestInstant is more bytes than any writer gives a timestamp.
const longestInstant = 64

var naiveLayouts = [...]string{"2006-01-02T15:04:05", "2006-01-02T15:04", "20060102T150405"}

// ParseInstant reads a timestamp as Python's isoformat or Postgres writes it. One without a zone is naive and is read
// as UTC. Digits behind the microsecond do not count.
func ParseInstant[T string | []byte](text T) (at decode.Micros, naive, ok bool) {
	if at, zone, ok := ParseClock(text); ok && (string(zone) == "+00:00" || string(zone) == "+00" || string(zone) == "Z") {
		return at, false, true
	}
	return parseOddInstant(string(text))
}

// parseOddInstant reads the spellings that seldom come.
func parseOddInstant(text string) (at decode.Micros, naive, ok bool) {
	if len(text) > longestInstant {
		return 0, false, false // the library reads a fraction of any length
	}
	text = strings.ToUpper(strings.TrimSpace(text))
	if len(text) > 10 && text[10] == ' ' {
		text = text[:10] + "T" + strings.Replace(text[11:], " ", "", 1)
	}
	for _, layout := range zonedLayouts {
		if t, err := time.Parse(layout, text); err == nil {
			return decode.Micros(t.UnixMicro()), false, true
		}
	}
	for _, layout := range naiveLayouts {
		if t, err := time.Parse(layout, text); err == nil {
			return decode.Micros(t.UnixMicro()), true, true
		}
	}
	return 0, false, false
}

const (
	microsPerSecond = 1000000
	microsPerDay    = 24 * 60 * 60 * microsPerSecond

	// ClockDigits is as long as date and time without a fraction.
	ClockDigits = "2006-01-02T15:04:05"
)

// ParseClock reads date and time of a timestamp with at most six digits of a fraction, and returns what follows them.
// It is for the spellings that come with every row; what it does not take may be a timestamp all the same.
func ParseClock[T string | []byte](text T) (at decode.Micros, zone T, ok bool) {
	if len(text) < len(ClockDigits) || (text[10] != 'T' && text[10] != ' ') {
		return 0, zone, false
	}
	valid := text[4] == '-' && text[7] == '-' && text[13] == ':' && text[16] == ':'
	pair := func(i int) int {
		tens, ones := text[i]-'0', text[i+1]-'0'
		valid = valid && tens <= 9 && ones <= 9
		return int(tens)*10 + int(ones)
	}
	year, month, day := pair(0)*100+pair(2), pair(5), pair(8)
	hour, minute, second := pair(11), pair(14), pair(17)
	if !valid || month < 1 || month > 12 || day < 1 || day > daysIn(year, month) || hour > 23 || minute > 59 || second > 59 {
		return 0, zone, false
	}
	fraction, zone, ok := parseFraction(text[len(ClockDigits):])
	seconds := int64((hour*60+minute)*60 + second)
	return decode.Micros(daysSince1970(year, month, day)*microsPerDay + seconds*microsPerSecond + fraction), zone, ok
}

// parseFraction reads .d to .dddddd as microseconds.
func parseFraction[T string | []byte](text T) (micros int64, rest T, ok bool) {
	if len(text) == 0 || text[0] != '.' {
		return 0, text, true
	}
	i := 1
	for ; i < len(text) && text[i] >= '0' && text[i] <= '9'; i++ {
		micros = micros*10 + int64(text[i]-'0')
		if i > 6 {
			return 0, text, false
		}
	}
	for n := i; n < 7; n++ {
		micros *= 10
	}
	return micros, text[i:], i > 1
}

func daysIn(year, month int) int {
	switch month {
	case 4, 6, 9, 11:
		return 30
	case 2:
		if year%4 == 0 && (year%100 != 0 || year%400 == 0) {
			return 29
		}
		return 28
	}
	return 31
}

// daysSince1970 counts days in the Gregorian calendar. The year begins in March, so that the day that leap years add
// comes last.
func daysSince1970(year, month, day int) int64 {
	if month <= 2 {
		year, month = year-1, month+12
	}
	before := 365*year + floorDiv(year, 4) - floorDiv(year, 100) + floorDiv(year, 400)
	return int64(before + (153*(month-3)+2)/5 + day - 1 - 719468)
}

func floorDiv(a, b int) int {
	if a < 0 {
		return -((b - 1 - a) / b)
	}
	return a / b
}

// FormatInstant prints an instant as the contract has it: RFC 3339, UTC, microseconds.
func FormatInstant(at decode.Micros) schemas.Instant {
	var text [len(InstantLayout)]byte
	return schemas.Instant(AppendInstant(text[:0], at))
}

// InstantLayout is how AppendInstant prints, as package time describes layouts.
const InstantLayout = "2006-01-02T15:04:05.000000Z"

// AppendInstant appends what FormatInstant returns.
func AppendInstant(dst []byte, at decode.Micros) []byte {
	t := at.UTC()
	year, month, day := t.Date()
	if year < 0 || year > 9999 {
		return t.AppendFormat(dst, InstantLayout)
	}
	dst = append(appendPair(appendPair(dst, year/100), year%100), '-')
	dst = append(appendPair(dst, int(month)), '-')
	dst = append(appendPair(dst, day), 'T')
	hour, minute, second := t.Clock()
	dst = append(appendPair(dst, hour), ':')
	dst = append(appendPair(dst, minute), ':')
	dst = append(appendPair(dst, second), '.')
	micros := t.Nanosecond() / 1000
	return append(appendPair(appendPair(appendPair(dst, micros/10000), micros/100%100), micros%100), 'Z')
}

func appendPair(dst []byte, n int) []byte { return append(dst, byte('0'+n/10), byte('0'+n%10)) }

// Seconds returns the time between two instants as a decimal number.
func Seconds(from, to decode.Micros) schemas.Number {
	d := Decimal{short: int64(to - from), scale: 6}
	var room [32]byte
	return schemas.Number(d.AppendNormal(room[:0]))
}
