package settings

import (
	"strings"
	"testing"
)

// TestDerivedNames: a slot's name may be as long as Postgres takes, and what is made of it is still a name.
func TestDerivedNames(t *testing.T) {
	for _, n := range []int{1, 40, longestName} {
		s := Settings{Slot: strings.Repeat("s", n), Publication: "p", Schema: "public", Sink: "stdout:"}
		for _, name := range []string{s.Slot, s.SlotName(), Derived(s.Slot, "_replay")} {
			s := s
			if s.Slot = name; s.checkNames() != nil {
				t.Errorf("%d bytes lead to %q: %v", n, name, s.checkNames())
			}
		}
	}
}
