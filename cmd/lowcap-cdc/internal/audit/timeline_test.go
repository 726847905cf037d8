package audit

import (
	"bytes"
	"strings"
	"testing"
	"unicode/utf8"

	"lowcap-cdc/cmd/lowcap-cdc/internal/readable"
)

// TestTableFitsTheTerminal: no line is longer than the terminal is wide, and who did it stands in the third column. What is
// no terminal gets all of it.
func TestTableFitsTheTerminal(t *testing.T) {
	lines := []readable.Line{
		{
			Time:      "2026-01-18T11:06:52.514883Z",
			Event:     "execution.buy_recorded",
			Token:     "WIF",
			Timeframe: "1h",
			Detail:    strings.Repeat("detail=1 ", 50),
		},
		{Time: "2026-01-18T11:06:53.514883Z", Event: "entry_block.cleared", Token: strings.Repeat("x", 44), Timeframe: "4h", Actor: "ännä",
			Reason: "unblocked by hand after a long talk", Detail: "stages=s1", Flags: []string{"manual"}},
	}
	for _, width := range []int{100, 140, 0} {
		var out bytes.Buffer
		if err := PrintTimeline(&out, lines, "table", width); err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(out.String()) {
			if n := utf8.RuneCountInString(strings.TrimSpace(line)); width > 0 && n > width+leastWhat {
				t.Errorf("%d of %d columns: %s", n, width, line)
			}
		}
		if !strings.HasPrefix(strings.Join(strings.Fields(out.String()), " "), "TIME EVENT WHO ") {
			t.Error(out.String())
		}
		if whole := strings.Contains(out.String(), strings.TrimSpace(lines[0].Detail)); whole != (width == 0) {
			t.Errorf("width %d, all of it is there: %v", width, whole)
		}
	}
}
