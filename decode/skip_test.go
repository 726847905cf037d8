package decode

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"
)

// FuzzMembers puts objects and arrays together again from their parts. On anything that is not valid JSON the passes end.
func FuzzMembers(f *testing.F) {
	f.Add(`{ "a" : 1 , "b\"": [1, {"c": "]}"}], "": null, "a": -1.5e3}`)
	f.Add(`[ [], {}, "\\", true,0 ]`)
	f.Add(`{"a":`)
	f.Fuzz(func(t *testing.T, text string) {
		var members, items []string
		for m := MembersOf([]byte(text)); m.Next(); {
			members = append(members, string(m.Name)+":"+string(m.Value()))
		}
		for i := ItemsOf([]byte(text)); i.Next(); {
			items = append(items, string(i.Value()))
		}
		again := ""
		switch first([]byte(text)) {
		case '{':
			again = "{" + strings.Join(members, ",") + "}"
		case '[':
			again = "[" + strings.Join(items, ",") + "]"
		}
		var want, got any
		if json.Unmarshal([]byte(text), &want) != nil || again == "" {
			return
		}
		if err := json.Unmarshal([]byte(again), &got); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%q came back as %q (%v)", text, again, err)
		}
	})
}
