package kafka

import (
	"strings"
	"testing"

	"lowcap-cdc/schemas"
)

// TestCopiedTopics: topics that were copied from another cluster must end with the event that the state ends with.
func TestCopiedTopics(t *testing.T) {
	event := func(number uint64, text string) (c schemas.Chain) {
		c.Add(number, []byte(text))
		return c
	}
	last := event(7, "seven")
	for name, c := range map[string]struct {
		found schemas.Chain
		want  string
	}{
		"whole":           {last, ""},
		"events lag":      {event(5, "five"), "events are missing"},
		"no event at all": {schemas.Chain{}, "events are missing"},
		"state lags":      {event(9, "nine"), "it is an older copy"},
		"another history": {event(7, "another seven"), "is not the one that the state"},
	} {
		m := move{from: "a", to: "b", last: last}
		err := m.check(c.found, "lowcap.", "lowcap.cdc-state")
		if (err == nil) != (c.want == "") || err != nil && (!strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), "copy all of them")) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
}
