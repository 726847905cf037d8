package cdc

import "lowcap-cdc/cdc/internal/jsonb"

// key is a known key of pm_execution_history.
type key uint8

// The known keys, in the order in which events of one change name them.
const (
	lastS1Buy key = iota
	lastS2Buy
	lastS3Buy
	lastReclaimBuy
	lastTrim
	lastTrimSignal
	trimPool
	lastExit
	lastExitGuard
	prevState
	lotusBuyback
	keyCount
)

var keyNames = [keyCount]string{
	lastS1Buy: "last_s1_buy", lastS2Buy: "last_s2_buy", lastS3Buy: "last_s3_buy",
	lastReclaimBuy: "last_reclaim_buy", lastTrim: "last_trim", lastTrimSignal: "last_trim_signal",
	trimPool: "trim_pool", lastExit: "last_emergency_exit", lastExitGuard: "last_emergency_exit_ts",
	prevState: "prev_state", lotusBuyback: "lotus_buyback",
}

func (k key) String() string { return keyNames[k] }

// isTimed reports whether the key's value is an object with its own timestamp.
func (k key) isTimed() bool { return k <= lastTrimSignal || k == lastExit }

// shape returns what a comparison of two values of the key knows of their members.
func (k key) shape() jsonb.Shape {
	switch {
	case k.isTimed():
		return jsonb.Timed
	case k == trimPool:
		return jsonb.Pool
	}
	return jsonb.Plain
}

func keyOf(name []byte) (key, bool) {
	for k, n := range keyNames {
		if n == string(name) {
			return key(k), true
		}
	}
	return 0, false
}

// keyNamed returns the key that a JSON string names.
func keyNamed(quoted jsonb.Text) (key, bool) { return keyOf(quoted.Name(longestKey)) }

// longestKey is longer than the name of any key, in bytes.
const longestKey = 64

// fieldKind is what a field of a known structure must be when it is there and not null.
type fieldKind uint8

const (
	numberField fieldKind = iota
	integerField
	textField
	boolField
)

type field struct {
	name string
	kind fieldKind
}

var (
	executionFields = []field{{"price", numberField}, {"size_frac", numberField}, {"signal", textField},
		{"state", textField}, {"sr_level_price", numberField}}
	exitFields = []field{{"exit_value_usd", numberField}, {"rebuy_used", boolField}}
	poolFields = []field{{"usd_basis", numberField}, {"recovery_started", boolField}, {"dx_count", integerField},
		{"dx_last_price", numberField}, {"dx_next_arm", numberField}}
	buybackFields = []field{{"skipped", boolField}, {"profit_usd", numberField}}
)

// fields returns the known fields of an object-valued key.
func (k key) fields() []field {
	switch k {
	case trimPool:
		return poolFields
	case lastExit:
		return exitFields
	case lotusBuyback:
		return buybackFields
	}
	return executionFields
}

// check says what is wrong with a member of the key's object, and nothing when it can be read.
func (k key) check(m jsonb.Member) (why string) {
	for _, f := range k.fields() {
		if f.name == string(m.Name) {
			return f.check(m.Value)
		}
	}
	return jsonb.Excess(m.Value)
}

// check says what is wrong with a field's value, and nothing when all is well.
func (f field) check(member jsonb.Text) (why string) {
	if member.IsNull() {
		return ""
	}
	switch f.kind {
	case numberField, integerField:
		if !member.IsNumber() {
			return "not a number"
		}
		if why := jsonb.Excess(member); why != "" {
			return why
		}
		if f.kind == integerField && !jsonb.IsWhole(member) {
			return "not a whole number"
		}
	case textField:
		if !member.IsString() {
			return "not a string"
		}
	case boolField:
		if !member.IsTrue() && !member.IsFalse() {
			return "not true or false"
		}
	}
	return ""
}
