package schemas

import "strings"

// The topics that events go to; a sink puts its prefix before them.
const (
	EntryBlocks    = "entry-blocks"
	TrimPools      = "trim-pools"
	EmergencyExits = "emergency-exits"
	Executions     = "executions"
	Positions      = "positions"
	Quarantine     = "quarantine"
	Control        = "control"
)

// Kind is one event type of the contract: where it goes, how urgent it is, and what its data looks like.
type Kind struct {
	Type     Type
	Topic    string
	Severity Severity
	New      func() Data // a zero value to read into
}

func kind[T any, P interface {
	*T
	Data
}](topic string, severity Severity) Kind {
	return Kind{P(nil).Type(), topic, severity, func() Data { return P(new(T)) }}
}

// Kinds returns every event type of the contract, in the order of the reference.
func Kinds() []Kind {
	return []Kind{
		kind[EntryBlockSet](EntryBlocks, Info), kind[EntryBlockRefreshed](EntryBlocks, Info),
		kind[EntryBlockCleared](EntryBlocks, Info), kind[EntryBlockSuccessObserved](EntryBlocks, Info),
		kind[EntryBlockOrphaned](EntryBlocks, Warn), kind[EntryBlockDeleted](EntryBlocks, Info),
		kind[EntryBlockBaseline](EntryBlocks, Info),
		kind[TrimPoolOpened](TrimPools, Info), kind[TrimPoolIncreased](TrimPools, Info),
		kind[TrimPoolRecoveryStarted](TrimPools, Info), kind[TrimPoolDXBought](TrimPools, Info),
		kind[TrimPoolReplaced](TrimPools, Info), kind[TrimPoolClosed](TrimPools, Info),
		kind[TrimPoolAdjusted](TrimPools, Info), kind[TrimPoolReverted](TrimPools, Warn),
		kind[TrimPoolRestored](TrimPools, Info),
		kind[EmergencyExitExecuted](EmergencyExits, Page), kind[EmergencyExitTriggered](EmergencyExits, Page),
		kind[EmergencyExitRebuyUsed](EmergencyExits, Info), kind[EmergencyExitGuardStamped](EmergencyExits, Info),
		kind[EmergencyExitReverted](EmergencyExits, Warn), kind[EmergencyExitRestored](EmergencyExits, Info),
		kind[ExecutionBuyRecorded](Executions, Info), kind[ExecutionTrimRecorded](Executions, Info),
		kind[ExecutionTrimSignaled](Executions, Info), kind[ExecutionAmended](Executions, Info),
		kind[ExecutionReverted](Executions, Warn), kind[ExecutionRestored](Executions, Info),
		kind[BuybackRecorded](Executions, Info), kind[HistoryPrevStateChanged](Executions, Info),
		kind[PositionCreated](Positions, Info), kind[PositionDeleted](Positions, Info),
		kind[PositionBaseline](Positions, Info), kind[PositionStatusChanged](Positions, Info),
		kind[TradeOpened](Positions, Info), kind[TradeClosed](Positions, Info),
		kind[HistoryMalformed](Quarantine, Warn), kind[HistoryUnknownKey](Quarantine, Info),
		kind[StreamGap](Control, Warn), kind[StreamReconciled](Control, Info),
		kind[TableTruncated](Control, Warn), kind[TableMissing](Control, Warn),
		kind[TablePresent](Control, Info),
	}
}

// TopicOf returns the topic of an event type, control for a type of another version.
func TopicOf(t Type) string {
	family, _, _ := strings.Cut(t.Name(), ".")
	switch family {
	case "entry_block":
		return EntryBlocks
	case "trim_pool":
		return TrimPools
	case "emergency_exit":
		return EmergencyExits
	case "execution", "buyback":
		return Executions
	case "position", "trade":
		return Positions
	case "history":
		if t == (*HistoryPrevStateChanged)(nil).Type() {
			return Executions
		}
		return Quarantine
	}
	return Control
}

// SeverityOf returns the severity of an event type.
func SeverityOf(t Type) Severity {
	name := t.Name()
	switch name {
	case "emergency_exit.executed", "emergency_exit.triggered":
		return Page
	case "entry_block.orphaned", "history.malformed", "stream.gap", "table.missing", "table.truncated":
		return Warn
	}
	if strings.HasSuffix(name, ".reverted") {
		return Warn
	}
	return Info
}
