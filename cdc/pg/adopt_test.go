package pg

import (
	"testing"

	"lowcap-cdc/cdc"
	"lowcap-cdc/decode"
)

// TestProofLeavesOutWhatIsMissing: of a table that is not in the stream nothing can be proved. It comes back as it would without an
// adoption, when it is in the publication. (Found by the simulation: it was told to be back too early, and a gap with it.)
func TestProofLeavesOutWhatIsMissing(t *testing.T) {
	t.Parallel()
	p := newPlace(t, "")
	to, state := newMemorySink(), cdc.NewState()
	p.mustRun(to)
	if err := to.Resume(t.Context(), state.Load); err != nil {
		t.Fatal(err)
	}
	start := startOf()
	start.Known, start.Resume, start.Owned = state.Checkpoint, state.Checkpoint.LSN, true
	start.Known.Adoption = &cdc.Adoption{To: start.Known.Identity, CameAlong: true}
	start.Known.Tables[decode.Positions].Missing = true
	s := New(p.config)
	defer s.Close() //nolint:errcheck // the test is over
	if _, err := s.Start(t.Context(), start); err != nil {
		t.Fatal(err)
	}
	p.exec(rowA)
	for {
		m, err := s.Next(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if isSnapshot(m) {
			if of := m.(*decode.Begin).Tables; of[decode.Blocks].OID == 0 || of[decode.Positions].OID != 0 {
				t.Errorf("the proof is of %v", of)
			}
			return
		}
	}
}
