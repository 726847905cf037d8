package decode

import "testing"

func TestLSN(t *testing.T) {
	for lsn, text := range map[LSN]string{
		0: "0/0", 0x16B3748: "0/16B3748", 0x16_B374D848: "16/B374D848", 1 << 32: "1/0", ^LSN(0): "FFFFFFFF/FFFFFFFF",
	} {
		if got := lsn.String(); got != text {
			t.Errorf("%d prints as %q, want %q", uint64(lsn), got, text)
		}
		if got, err := ParseLSN(text); got != lsn || err != nil {
			t.Errorf("%q is read as %d, %v", text, uint64(got), err)
		}
	}
	if got, err := ParseLSN("a/bCd"); got != 0xA_00000BCD || err != nil {
		t.Errorf("small digits are read as %s, %v", got, err)
	}
	for _, text := range []string{"", "/", "0", "0/", "/0", "0/0/0", " 0/0", "0/0 ", "+1/0", "0x1/0", "1/123456789", "000000001/0", "g/0", "1_0/0"} {
		if got, err := ParseLSN(text); err == nil {
			t.Errorf("%q is read as %s", text, got)
		}
	}
}

// FuzzLSN: what is read prints as the same place.
func FuzzLSN(f *testing.F) {
	f.Add("16/B374D848")
	f.Fuzz(func(t *testing.T, text string) {
		lsn, err := ParseLSN(text)
		if err != nil {
			return
		}
		if again, err := ParseLSN(lsn.String()); again != lsn || err != nil {
			t.Errorf("%q is read as %d and printed as %s", text, uint64(lsn), lsn)
		}
	})
}
