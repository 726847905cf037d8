package schemas

// guide is what no type and no trace says about an event type.
type guide struct {
	why  string // what stands behind it
	do   string // what a consumer should do
	hide string // which hazard of the source it hides
}

func guides() map[string]guide {
	return map[string]guide{
		"entry_block.set": {
			"A token failed an entry stage, so the bot must not enter it again before it has succeeded elsewhere.",
			"Show the block; begin a timer if you want to know how long entries were missed.",
			"A failure of S1 alone blocks both stages but stamps only `last_s1_failure_ts`; a failure of both may be two writes milliseconds apart (a set and a refreshed). A row inserted with nothing blocked is no event."},
		"entry_block.refreshed": {
			"The stage failed again while it was blocked.",
			"Count it as a failure, not as a block.",
			"The second of two writes of one failure looks like this."},
		"entry_block.cleared": {
			"The token succeeded, or somebody lifted the block.",
			"Take `blocked_for_seconds` for the time that entries were missed; do not compute it from `time`.",
			"A success after an S1-only failure frees S1 and forgets S2; then `entry_block.orphaned` follows."},
		"entry_block.success_observed": {
			"The bot succeeded with a token that has, or had, a block.",
			"Nothing, unless you count successes.",
			"Two writes of one success give two of these, milliseconds apart."},
		"entry_block.orphaned": {
			"S2 was blocked by a failure of S1 alone, and the success that freed S1 did not free it: the bot never will.",
			"Tell somebody; unblock by hand, with an annotation that says who and why.",
			"In the table such a row looks like any other blocked one."},
		"entry_block.deleted": {
			"A person or a tool deleted the row, or emptied the table.",
			"End what the set began. `was_blocked` is empty when nothing was blocked any more.",
			"The database says only the key of a deleted row; what it held comes from what was last known."},
		"entry_block.baseline": {
			"The first look at the row: a snapshot, or a table that came back.",
			"Take it as the starting state. It is no new block.",
			"Without it a consumer would not know of blocks older than the stream."},
		"trim_pool.opened": {
			"A sell freed USD that the bot may spend on rebuys.",
			"Add `added_usd` to what is available. A revert may follow within seconds.",
			"Every trim is written and then written back by a stale copy 0.1 to 10 s later; an alert that polls the table misses it."},
		"trim_pool.increased": {
			"Another sell, before the pool was touched.",
			"Add `added_usd`, never the difference of two floats.",
			"`added_usd` is decimal arithmetic on the received digits: 61.355 - 38.9 is 22.455."},
		"trim_pool.recovery_started": {
			"The first rebuy of the DX ladder was paid from the pool.",
			"Begin to watch the ladder; `trim_pool.dx_bought` with the same numbers follows.",
			"The pool has no timestamp of its own: the buy that came with it has."},
		"trim_pool.dx_bought": {
			"A rung of the DX ladder was bought. After the third the pool is closed.",
			"Take `dx_count` as it is; flag `skipped_steps` says that rungs were not seen one by one.",
			"A stale write can make the count jump."},
		"trim_pool.replaced": {
			"A sell during a recovery: what was left of the old pool is given up.",
			"Close the old pool at `old_basis`, open one of `new_basis`. Nothing was added to the old one.",
			"In the table it looks like a pool that shrank or grew."},
		"trim_pool.closed": {
			"The pool was spent (`s2_dip_buy`, `dx_ladder_complete`) or was a leftover of the trade before (`s2_entry_new_trade`).",
			"For recovered USD count `s2_dip_buy` and `dx_ladder_complete` only.",
			"Nothing is reset when a trade closes, so a pool can outlive its trade. Absent, null, `{}` and the zeroed pool are one value."},
		"trim_pool.adjusted": {
			"No known step explains the change: a hand edit, or a pool that grew beside a buy.",
			"Take `after` as the state; look at `changed` and `origin.actor`.",
			"A change without a newer execution beside it is never taken for a sell or a buy."},
		"trim_pool.reverted": {
			"The same tick wrote a stale copy of the whole document over the change.",
			"Undo what the reverted event made you do; the sell itself did happen.",
			"The most frequent hazard of the source. The short life of the value is the only evidence, so never debounce."},
		"trim_pool.restored": {
			"Another job's stale write brought the reverted pool back.",
			"Do again what `first_event_id` made you do. It is not a second sell.",
			"Value A, B, A, B: the second B is the first one again."},
		"emergency_exit.executed": {
			"The bot sold because price broke its EMA333 or the trend's structure broke.",
			"Wake somebody. `proceeds_usd` is what the pool grew by.",
			"The writer never persists the documented exit record; this is read from the sell and the pool. It takes the place of `execution.trim_recorded`."},
		"emergency_exit.triggered": {
			"The documented exit record appeared; `retrigger` when there was one before.",
			"Wake somebody, once for each exit: an `executed` of the same position may come in the same change (same `origin`).",
			"The live writer does not write it; tools and later versions may. Both are supported."},
		"emergency_exit.rebuy_used": {
			"The one rebuy that an exit allows was made.",
			"Close the case of that exit.",
			"The flag flips inside a record that otherwise stays the same."},
		"emergency_exit.guard_stamped": {
			"The stamp that keeps the bot from a second exit moved.",
			"Nothing; it helps an audit when no exit record came.",
			"The stamp differs from the record's timestamp by microseconds; it is not another exit."},
		"emergency_exit.reverted": {
			"A stale write took the record of an exit back.",
			"Keep the alert: the sell happened. Note that the database does not show it any more.",
			"After the revert the table looks as if there had been no exit."},
		"emergency_exit.restored": {
			"A stale write brought the record back.",
			"Do not page again; `first_event_id` is the exit you know.",
			"Looks like a second exit in the table."},
		"execution.buy_recorded": {
			"A buy was executed. `is_reclaim`: after price reclaimed its EMA333.",
			"Count it; `size_frac` was planned, the fill is not in the history.",
			"Newer than any timestamp seen for that key, so a stale write is never a new buy."},
		"execution.trim_recorded": {
			"A part of the position was sold.",
			"Take `proceeds_usd` for what it brought; null with flag `no_pool_change`.",
			"A revert follows most trims."},
		"execution.trim_signaled": {
			"A trim was planned, perhaps never made.",
			"Compare with `execution.trim_recorded` to find failed trims.",
			"The key is not documented by the source."},
		"execution.amended": {
			"Price or size of a reported execution changed, its timestamp did not: a correction.",
			"Correct the execution that you have; do not count another.",
			"Numbers that are only spelled differently (150 and 150.0) are no change."},
		"execution.reverted": {
			"A stale write took the record back. The execution did happen.",
			"Mark it as no longer in the database; keep it in your books.",
			"A key that vanishes or goes back in time is reverted, not cleared."},
		"execution.restored": {
			"The record came back.",
			"Point it to `first_event_id`.",
			"Same embedded timestamp again: never a second execution."},
		"buyback.recorded": {
			"At trade close the bot decided about a buyback of its own token.",
			"Book `profit_usd`; `skipped` says that nothing was bought.",
			"The object has no timestamp: `occurred_at` is the commit."},
		"history.prev_state_changed": {
			"The engine's state at the last execution moved.",
			"Use it to explain an execution of the same `origin`.",
			"Moves back and forth with stale writes."},
		"history.malformed": {
			"A part of the row was not what it should be; the rest was read.",
			"Tell somebody; repair the row. It is reported once for each distinct value.",
			"`trim_pool: []` and a basis in quotes occur. The value last well-formed stays what later ones are compared with."},
		"history.unknown_key": {
			"The writer is newer than this sidecar.",
			"Update the sidecar, or ignore it.",
			"Nothing is dropped."},
		"position.created": {
			"A row was inserted. One with a history has a baseline beside it.",
			"Begin to follow the position.",
			"Tools delete and insert rows with a new id: an insert with a history is not new executions."},
		"position.deleted": {
			"The row is gone, or got another key.",
			"Close what is open; the columns are what was last known.",
			"The database says only the key."},
		"position.baseline": {
			"First sight of a position: snapshot, or inserted with a history.",
			"Take it as the starting state. Nothing in it is new.",
			"Old executions would otherwise look new after every restart of a consumer."},
		"position.status_changed": {
			"The status column changed.",
			"Take `to` as an open word: new ones may come.",
			"Thousands of other updates of the row say nothing and give no event."},
		"trade.opened":      {"The position began a trade.", "Open the trade.", "The pool may still hold the trade before's money."},
		"trade.closed":      {"The position ended its trade.", "Close the trade; `completed_trade` is what the bot computed.", "Neither pool nor executions are reset then."},
		"stream.gap":        {"The slot was lost, so the changes between two places are unknown.", "Tell somebody. Values in between never existed for you; the comparison that follows says how the tables differ.", "Silence would look like a quiet day."},
		"stream.reconciled": {"Every row was compared; the stream goes on.", "Take your state for complete again.", ""},
		"table.truncated":   {"A table was emptied.", "Expect a `.deleted` for each known row, with `op` truncate.", "TRUNCATE has no row changes of its own in the stream."},
		"table.missing":     {"A watched table was dropped, re-created, or left the publication.", "Tell somebody: changes of it are not seen.", "The schema file drops and creates the table, which silently leaves the publication."},
		"table.present":     {"The table is back; how its rows differ from what was known follows.", "Take the events that follow as the new state.", ""},
	}
}

const poolDiagram = `stateDiagram-v2
    [*] --> Empty
    Empty --> Open: sell / opened
    Open --> Open: sell / increased
    Open --> Recovering: DX buy / recovery_started, dx_bought
    Recovering --> Recovering: DX buy / dx_bought
    Recovering --> Empty: third DX buy / closed dx_ladder_complete
    Recovering --> Open: sell / replaced
    Open --> Empty: S2 buy / closed s2_dip_buy
    Open --> Empty: S2 buy of a new trade / closed s2_entry_new_trade
    Open --> Open: stale write / reverted, restored
    Open --> Open: hand edit / adjusted`

const blockDiagram = `stateDiagram-v2
    [*] --> Free
    Free --> Blocked: failure / set
    Blocked --> Blocked: failure / refreshed
    Blocked --> Free: success / cleared, success_observed
    Blocked --> Orphaned: success after an S1-only failure / cleared s1, orphaned s2
    Orphaned --> Free: by hand / cleared manual
    Blocked --> Free: by hand / cleared manual
    Blocked --> [*]: row deleted / deleted
    Free --> [*]: row deleted / deleted`
