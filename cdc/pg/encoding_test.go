package pg

import (
	"fmt"
	"strings"
	"testing"

	"lowcap-cdc/cdc"
)

// keysBeyondASCII sort in one order as UTF-8 and in another in most other encodings: ÿ, € and Ž.
const keysBeyondASCII = `insert into token_timeframe_blocks (token_contract, token_chain, timeframe, blocked_s1, last_s1_failure_ts)
	select k, 'solana', '1h', true, now() from unnest(array[U&'\20ACuro', U&'\00E9a', U&'\017D', U&'\00FF', 'plain']) k;`

// TestEncodings: rows that are unchanged give no event when they are read again, and a byte that has no equivalent in UTF-8
// stops nothing where nobody reads it.
func TestEncodings(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ encoding, keys, unwatched string }{
		{"UTF8", keysBeyondASCII, `'x'`},
		{"WIN1252", keysBeyondASCII, `convert_from('\x81'::bytea, 'WIN1252')`},
		{"LATIN9", keysBeyondASCII, `'x'`},
		{"WIN1251", strings.NewReplacer(`U&'\00E9a'`, `U&'\0451'`, `U&'\017D'`, `U&'\0416'`, `U&'\00FF'`, `U&'\0402'`).Replace(keysBeyondASCII), `convert_from('\x98'::bytea, 'WIN1251')`},
		{"EUC_JP", strings.NewReplacer(`U&'\20ACuro'`, `U&'\3042'`, `U&'\00E9a'`, `U&'\4E9C'`, `U&'\017D'`, `U&'\30A2'`, `U&'\00FF'`, `U&'\FF71'`).Replace(keysBeyondASCII), `'x'`},
		{"SQL_ASCII", strings.NewReplacer(`U&'\20ACuro'`, `E'\xE2\x82\xACuro'`, `U&'\00E9a'`, `E'\xC3\xA9a'`, `U&'\017D'`, `E'\xC5\xBD'`, `U&'\00FF'`, `E'\xC3\xBF'`).Replace(keysBeyondASCII), `E'\xE9'`},
	} {
		t.Run(c.encoding, func(t *testing.T) {
			t.Parallel()
			p := newPlace(t, fmt.Sprintf("template template0 encoding '%s' locale 'C'", c.encoding))
			p.exec(c.keys + posA)
			to := newMemorySink()
			if got := strings.Count(p.mustRun(to), "entry_block.baseline"); got != 5 {
				t.Fatalf("%d baselines of 5", got)
			}
			before := to.count()
			if err := p.runAs(p.config, to, "to compare"); err != nil {
				t.Fatal(err)
			}
			if got := to.since(before); got != "stream.gap stream.reconciled" {
				t.Errorf("a reconcile of unchanged rows says %q", got)
			}
			p.exec(`alter table lowcap_positions add column nobody text; update lowcap_positions set nobody = ` + c.unwatched)
			p.exec(`update token_timeframe_blocks set blocked_s1 = false`)
			if got := p.mustRun(to); got != strings.TrimSuffix(strings.Repeat("entry_block.cleared ", 5), " ") {
				t.Errorf("the stream says %q", got)
			}
			if text := failures(Check(t.Context(), p.config, &cdc.Checkpoint{})); text != "" {
				t.Errorf("check says %q", text)
			}
		})
	}
}

// TestNotUTF8: a watched text that nobody can read as UTF-8 is refused by check and by the first run, with its row.
func TestNotUTF8(t *testing.T) {
	t.Parallel()
	for encoding, text := range map[string]string{"SQL_ASCII": `E'caf\xE9'`, "WIN1252": `convert_from('\x81'::bytea, 'WIN1252')`} {
		t.Run(encoding, func(t *testing.T) {
			t.Parallel()
			p := newPlace(t, fmt.Sprintf("template template0 encoding '%s' locale 'C'", encoding))
			p.exec(posA)
			to := newMemorySink()
			p.mustRun(to)
			spoil := `update lowcap_positions set token_ticker = ` + text
			p.exec(spoil)
			if err := p.run(to); !IsPermanent(err) {
				t.Errorf("the stream's error is %v", err)
			}
			if text := failures(Check(t.Context(), p.config, &cdc.Checkpoint{})); !strings.Contains(text, "lowcap_positions") {
				t.Errorf("check says %q", text)
			}
			p.config.Slot += "_fresh"
			fresh := newMemorySink()
			if err := p.run(fresh); !IsPermanent(err) || fresh.count() > 0 {
				t.Errorf("the first run's error is %v, %d events", err, fresh.count())
			}
		})
	}
}
