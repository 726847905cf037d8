package pg

import (
	"fmt"
	"strings"
	"testing"
)

// TestTypesOfColumns: whatever types the columns have of which only a text is read, a snapshot and the stream read the same texts.
// An update that changes nothing, and a comparison of all rows, then find nothing new.
func TestTypesOfColumns(t *testing.T) {
	t.Parallel()
	for name, sql := range map[string]string{
		"characters of a fixed length": `alter table lowcap_positions alter timeframe type char(8), alter token_chain type char(20), alter book_id type char(30), alter token_ticker type char(5);
			alter table token_timeframe_blocks alter book_id type char(30), alter timeframe type char(8)`,
		"enums": `create type frame as enum ('4h', '1h'); alter table lowcap_positions alter timeframe type frame using timeframe::frame;
			alter table token_timeframe_blocks alter timeframe type frame using timeframe::frame`,
		"domains": `create domain word as varchar(40) check (value <> ''); alter table lowcap_positions alter status type word, alter token_contract type word;
			alter table token_timeframe_blocks alter token_contract type word`,
		"numbers": `alter table lowcap_positions alter total_quantity type numeric(30,12), alter total_tokens_bought type real, alter total_tokens_sold type bigint,
			alter total_allocation_usd type money using total_allocation_usd::money, alter total_extracted_usd type text`,
		"times":                   `alter table lowcap_positions alter closed_at type timestamp, alter created_at type date`,
		"whole keys":              `alter table lowcap_positions alter id drop default; alter table lowcap_positions alter id type bigint using (hashtext(id::text)::bigint * 100003)`,
		"text keys":               `alter table lowcap_positions alter id drop default; alter table lowcap_positions alter id type text using upper(id::text)`,
		"name keys":               `alter table lowcap_positions alter id drop default; alter table lowcap_positions alter id type name using left(upper(id::text), 20)`,
		"jsonb":                   `alter table lowcap_positions alter close_reason type jsonb using to_jsonb(close_reason), alter entry_event type xml using null`,
		"array":                   `alter table lowcap_positions alter close_reason type text[] using array[close_reason, 'a"b,', null]`,
		"collations":              `alter table lowcap_positions alter token_contract type text collate "POSIX"; alter table token_timeframe_blocks alter token_contract type text collate "ucs_basic"`,
		"a type of the same name": `create schema other; create type other.text as (a int); alter database %s set search_path = other, public`,
		"generated":               `alter table lowcap_positions drop column close_reason; alter table lowcap_positions add close_reason text generated always as (status || '!') stored`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newPlace(t, "")
			for i, contract := range []string{"a", "B", "é", "Z-1", "z 1", "0", "ä'\\", "aa", "A"} {
				p.exec(fmt.Sprintf(`insert into lowcap_positions (token_chain, token_contract, token_ticker, timeframe, total_quantity, total_tokens_bought, total_tokens_sold,
					total_allocation_usd, total_extracted_usd, closed_at, close_reason, features) values ('sol', '%s', 'T', '1h', 0.1, 1e-5, %d, 12.5, 3, '2026-01-01 10:00:00.5+01', 'x',
					'{"pm_execution_history": {"prev_state": "S1"}}'); insert into token_timeframe_blocks (token_contract, token_chain, timeframe, blocked_s1) values ('%s', 'sol', '4h', true)`,
					strings.ReplaceAll(contract, "'", "''"), i, strings.ReplaceAll(contract, "'", "''")))
			}
			if strings.Contains(sql, "%s") {
				sql = fmt.Sprintf(sql, p.name)
			}
			p.exec(sql)
			to := newMemorySink()
			if first := p.mustRun(to); strings.Count(first, "baseline") != 18 || strings.Count(first, " ") != 17 {
				t.Errorf("first: %s", first)
			}
			p.exec(`update lowcap_positions set notes = 'n'; update token_timeframe_blocks set updated_at = now()`)
			if news := p.mustRun(to); news != "" {
				t.Errorf("an update of nothing gives %s: %s", news, to.last())
			}
			before := to.count()
			if err := p.runAs(p.config, to, "to compare"); err != nil {
				t.Fatal(err)
			}
			if news := to.since(before); news != "stream.gap stream.reconciled" {
				t.Errorf("a comparison gives %s: %s", news, to.values[before])
			}
			p.exec(`update lowcap_positions set features = jsonb_set(features, '{pm_execution_history,last_trim}',
				'{"timestamp": "2026-01-20T10:00:00+00:00", "price": 1, "signal": "emergency_exit"}'); update token_timeframe_blocks set blocked_s1 = false`)
			if news := p.mustRun(to); strings.Count(news, "emergency_exit.executed") != 9 || strings.Count(news, "entry_block.cleared") != 9 {
				t.Errorf("exits and clears: %s", news)
			}
		})
	}
}
