package kafka

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"lowcap-cdc/sink"
)

// CheckHeaders says how the headers of a record differ from what its event has for attributes, or nothing. Consumers go by headers
// without reading the value, and no hash is over them.
func CheckHeaders(s *sink.Stored) (finding string) {
	a := s.Attributes()
	want, err := readHeaders(appendHeaders(nil, &a, ""))
	if err != nil {
		return err.Error()
	}
	got, err := readHeaders(s.Headers)
	if err != nil {
		return "has headers that cannot be read"
	}
	for _, name := range slices.Sorted(maps.Keys(got)) {
		values := got[name]
		if _, known := want[name]; !known && strings.HasPrefix(name, "ce_") {
			return fmt.Sprintf("has a header %.80q, which no event has", name)
		}
		if len(values) > 1 && strings.HasPrefix(name, "ce_") {
			return fmt.Sprintf("has the header %s %d times", name, len(values))
		}
	}
	for _, name := range slices.Sorted(maps.Keys(want)) {
		switch found := got[name]; {
		case name == contentTypeHeader:
		case len(found) == 0:
			return "has no header " + name
		case found[0] != want[name][0]:
			return fmt.Sprintf("has the header %s %.80q, it says %.80q itself", name, found[0], want[name][0])
		}
	}
	return ""
}

// readHeaders reads the headers of a record (Kafka protocol guide, "Record Header").
func readHeaders(data []byte) (map[string][]string, error) {
	r := varReader{data: data}
	all := make(map[string][]string, headers)
	for left := r.varint(); left > 0 && r.err == nil; left-- {
		name, value := string(r.bytes()), string(r.bytes())
		all[name] = append(all[name], value)
	}
	return all, r.err
}
