package readable

import (
	"slices"

	"github.com/tidwall/gjson"
)

// Field is one of an event's own fields.
type Field struct {
	Name  string
	Value gjson.Result
}

// Fields returns an event's own fields, which its data begins with, in the order in which a person wants them. Of a closed trade
// that is first what it brought and what was left of it; the document that the bot wrote about it is left out.
func Fields(data gjson.Result) []Field {
	var list []Field
	data.ForEach(func(key, value gjson.Result) bool {
		if key.Str == "entity" {
			return false
		}
		list = append(list, Field{key.Str, value})
		return true
	})
	if at := slices.IndexFunc(list, func(f Field) bool { return f.Name == "completed_trade" }); at >= 0 {
		return closedTrade(list, list[at].Value.Get("summary"))
	}
	return list
}

// resultOf are the fields that say how a trade ended, and where the bot's summary has them: older events have only that.
var resultOf = []struct{ field, summary string }{
	{"pnl_usd", "total_pnl_usd"}, {"decision_type", "decision_type"}, {"outcome_class", "outcome_class"}, {"remaining_quantity", ""},
}

func closedTrade(list []Field, summary gjson.Result) []Field {
	var ordered []Field
	for _, result := range resultOf {
		value := summary.Get(result.summary)
		for _, f := range list {
			if f.Name == result.field && f.Value.Type != gjson.Null {
				value = f.Value
			}
		}
		if result.field == "remaining_quantity" && value.Num == 0 && value.Type == gjson.Number {
			continue // nothing was left
		}
		if value.Exists() && value.Type != gjson.Null {
			ordered = append(ordered, Field{result.field, value})
		}
	}
	for _, f := range list {
		if f.Name != "completed_trade" &&
			!slices.ContainsFunc(resultOf, func(r struct{ field, summary string }) bool { return r.field == f.Name }) {
			ordered = append(ordered, f)
		}
	}
	return ordered
}
