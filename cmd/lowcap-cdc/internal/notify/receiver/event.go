package receiver

import (
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/tidwall/gjson"

	"lowcap-cdc/cmd/lowcap-cdc/internal/readable"
	"lowcap-cdc/schemas"
	"lowcap-cdc/sink"
)

const (
	mostFacts    = 12  // of one message
	longestValue = 160 // bytes of one fact
	longestToken = 60  // bytes
)

// what says in a person's words what an event is. A type that is not here is told by its name.
var what = map[string]string{
	"emergency_exit.executed":  "Emergency exit",
	"emergency_exit.triggered": "Emergency exit recorded",
	"emergency_exit.pending":   "Exit wanted, tokens still held",
	"emergency_exit.settled":   "Pending exit is over",
	"emergency_exit.abandoned": "Trade ended with tokens left",
	"emergency_exit.reverted":  "Emergency exit taken back",
	"emergency_exit.restored":  "Emergency exit is back",
	"execution.unrecorded":     "Fill without a record",
	"execution.reverted":       "Execution taken back",
	"trim_pool.reverted":       "Trim pool taken back",
	"entry_block.set":          "Entry blocked",
	"entry_block.cleared":      "Entry block lifted",
	"trade.closed":             "Trade closed",
	"entry_block.orphaned":     "Entry block that the bot will never lift",
	"entry_block.not_set":      "Loss without an entry block",
	"stream.gap":               "Changes were lost",
	"stream.adopted":           "The history goes on from another database",
	"stream.reconciled":        "Tables compared after a gap",
	"table.missing":            "A table has left the stream",
	"table.present":            "A table is back",
	"table.truncated":          "A table was emptied",
	"history.malformed":        "Unreadable data in a position",
}

// facts says how a field is told: its name for a person, and its unit.
var facts = map[string]struct{ name, unit string }{
	"kind": {"why", ""}, "exit_reason": {"reason", ""}, "why": {"why", ""}, "price": {"price", ""}, "engine_price": {"price now", ""},
	"size_frac": {"planned share", ""}, "proceeds_usd": {"proceeds", "USD"}, "exit_value_usd": {"value before the sale", "USD"},
	"value_usd": {"worth", "USD"}, "usd": {"amount", "USD"}, "usd_basis": {"pool", "USD"}, "delta_usd": {"pool changed by", "USD"},
	"pnl_usd": {"result", "USD"}, "decision_type": {"decision", ""}, "outcome_class": {"outcome", ""}, "held_quantity": {"held", "tokens"},
	"remaining_quantity": {"left", "tokens"}, "quantity": {"left", "tokens"},
	"tokens": {"amount", "tokens"}, "wanted_since": {"wanted since", ""}, "reminder": {"reminder", ""}, "stages": {"stages", ""},
}

// words are values that a person need not know.
var words = map[string]string{"ema333_break": "the price broke EMA333", "structural": "structural exit"}

// Of makes the message of an event; page is the URL of the page, or empty. Of a type that this version does not know it
// tells the fields by their names.
func Of(e *sink.Stored, page string) *Message {
	a, data := e.Attributes(), gjson.GetBytes(e.Value, "data")
	line := readable.Describe(e)
	at, _ := time.Parse(time.RFC3339Nano, a.Time) //nolint:errcheck // the zero time is not told
	m := &Message{Severity: a.Severity, What: What(a.Type), Token: readable.Cut(line.Token, longestToken),
		Timeframe: readable.Cut(line.Timeframe, longestToken), At: at, Link: page, Reference: a.ID, Event: e}
	for _, f := range readable.Fields(data) {
		m.add(f.Name, f.Value)
	}
	m.text("by", line.Actor)
	m.text("said", line.Reason)
	if len(line.Flags) > 0 {
		m.text("note", strings.Join(line.Flags, ", "))
	}
	m.Trail = trail(e, &a)
	return m
}

// trail returns the event's number and the SHA-256 of its bytes, as audit verify --expect takes them: each message that is kept on
// a phone is out of reach of those who write the sink.
func trail(e *sink.Stored, a *schemas.Attributes) string {
	if a.Number == 0 {
		return ""
	}
	var at schemas.Chain
	at.Add(a.Number, e.Value)
	return strconv.FormatUint(at.Number, 10) + ":" + at.Hash
}

// What says in a person's words what a type of event is; of a type that this version does not know it repeats the name.
func What(t schemas.Type) string {
	if text, ok := what[t.Name()]; ok {
		return text
	}
	return capital(readable.Printable(readable.Cut(strings.NewReplacer(".", ": ", "_", " ").Replace(t.Name()), longestValue)))
}

// add tells a field of the event's data unless it says nothing.
func (m *Message) add(name string, value gjson.Result) {
	told, known := facts[name]
	if !known {
		told.name = strings.ReplaceAll(name, "_", " ")
	}
	switch {
	case value.Type == gjson.Null, value.Raw == "[]", value.Raw == "{}", value.Raw == "false", strings.HasSuffix(name, "_id"),
		name == "reminder" && value.Num == 0:
		return
	case value.IsArray():
		var list []string
		for _, element := range value.Array() {
			list = append(list, element.String())
		}
		m.text(told.name, strings.Join(list, ", "))
	case value.IsObject():
		value.ForEach(func(inner, value gjson.Result) bool {
			m.add(name+" "+inner.String(), value)
			return len(m.Facts) < mostFacts
		})
	case value.Type == gjson.Number:
		m.number(told.name, told.unit, name, value)
	default:
		text := value.String()
		if word, ok := words[text]; ok {
			text = word
		}
		if at, err := time.Parse(time.RFC3339Nano, text); err == nil {
			text = at.UTC().Format(time.DateTime) + " UTC"
		}
		m.text(told.name, text)
	}
}

func (m *Message) number(label, unit, name string, value gjson.Result) {
	text := Short(value.Raw)
	switch {
	case strings.Contains(name, "_seconds"):
		label = strings.TrimSpace(strings.ReplaceAll(label, " seconds", ""))
		text = time.Duration(value.Num * float64(time.Second)).Round(time.Second).String()
	case name == "size_frac":
		text = Short(strconv.FormatFloat(100*value.Num, 'f', -1, 64)) + " %"
	case unit != "":
		text += " " + unit
	}
	m.text(label, text)
}

func (m *Message) text(name, value string) {
	if value != "" && len(m.Facts) < mostFacts {
		fact := Fact{readable.Printable(readable.Cut(name, longestToken)), readable.Printable(readable.Cut(value, longestValue))}
		m.Facts = append(m.Facts, fact)
	}
}

// Short makes a number fit to be read at night: two decimals from one on, four digits below. The event has it exactly.
func Short(raw string) string {
	f, err := strconv.ParseFloat(raw, 64)
	size := math.Abs(f)
	switch {
	case err != nil || size >= 1e15:
		return readable.Cut(raw, longestToken)
	case size == 0:
		return "0"
	case size >= 1:
		return strings.TrimSuffix(strconv.FormatFloat(f, 'f', 2, 64), ".00")
	}
	decimals := min(30, 3-int(math.Floor(math.Log10(size))))
	return strings.TrimRight(strconv.FormatFloat(f, 'f', decimals, 64), "0")
}

func capital(text string) string {
	if text == "" {
		return "Event"
	}
	return strings.ToUpper(text[:1]) + text[1:]
}
