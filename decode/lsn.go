package decode

import (
	"fmt"
	"strconv"
	"strings"
)

// LSN is a place in the WAL, in bytes from its beginning.
type LSN uint64

// String prints an LSN as Postgres prints it: 16/B374D848.
func (l LSN) String() string {
	const digits = "0123456789ABCDEF"
	var text [17]byte
	at := len(text)
	for half := range 2 {
		if half == 1 {
			at--
			text[at] = '/'
		}
		for n := uint32(l >> (32 * half)); ; n >>= 4 {
			at--
			text[at] = digits[n&15]
			if n < 16 {
				break
			}
		}
	}
	return string(text[at:])
}

// ParseLSN reads what String and Postgres print: two hexadecimal numbers of 32 bits with a slash between them.
func ParseLSN(text string) (LSN, error) {
	high, low, _ := strings.Cut(text, "/")
	h, errHigh := strconv.ParseUint(high, 16, 32)
	l, errLow := strconv.ParseUint(low, 16, 32)
	if errHigh != nil || errLow != nil || len(high) > 8 || len(low) > 8 {
		return 0, fmt.Errorf("%q is not an LSN; one looks like 16/B374D848", text)
	}
	return LSN(h<<32 | l), nil
}
