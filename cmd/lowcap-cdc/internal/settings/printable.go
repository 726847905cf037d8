package settings

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"
)

// Printable replaces what is not to be printed as it stands: control characters, and marks that change the direction
// of what follows.
func Printable(text string) string {
	text = strings.ToValidUTF8(text, "\uFFFD")
	if strings.IndexFunc(text, isHidden) < 0 {
		return text
	}
	var b strings.Builder
	for _, r := range text {
		if isHidden(r) {
			b.WriteString(strings.Trim(strconv.QuoteRuneToASCII(r), "'"))
		} else {
			b.WriteRune(r)
		}
	}
	return b.String()
}

// PrintableJSON does so in a JSON text, which means the same afterwards.
func PrintableJSON(text []byte) []byte {
	if bytes.IndexFunc(text, isHidden) < 0 {
		return text
	}
	var out []byte
	for _, r := range string(text) {
		switch {
		case !isHidden(r):
			out = utf8.AppendRune(out, r)
		case r > 0xFFFF:
			high, low := utf16.EncodeRune(r)
			out = fmt.Appendf(out, `\u%04x\u%04x`, high, low)
		default:
			out = fmt.Appendf(out, `\u%04x`, r)
		}
	}
	return out
}

// OneLine makes one printable line of a text, such as an error that joins several.
func OneLine(text string) string {
	return Printable(strings.ReplaceAll(strings.TrimSpace(text), "\n", "; "))
}

func isHidden(r rune) bool {
	return unicode.IsControl(r) || unicode.In(r, unicode.Cf, unicode.Zl, unicode.Zp)
}

// printableFields makes the texts of a log line printable: they come from servers and from whoever writes there.
func printableFields(fields map[string]any) error {
	for name, value := range fields {
		if text, ok := value.(string); ok {
			fields[name] = Printable(text)
		}
	}
	return nil
}
