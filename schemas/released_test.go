package schemas

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
)

func sorted(names []string) []string {
	slices.Sort(names)
	return names
}

// TestNothingReleasedBreaks compares the schemas with the last released ones, in released/: whatever fits today's schema
// must fit the released one too, or a consumer that was written for it breaks. A change that cannot do that is a new type
// with the next .vN, beside the old one. On a release: cp v1/* released/v1, cp avro/v1/* released/avro/v1,
// cp asyncapi.json released, and empty agreed.
func TestNothingReleasedBreaks(t *testing.T) {
	released, err := filepath.Glob("released/v*/*.json")
	if err != nil || len(released) == 0 {
		t.Fatalf("no released schemas: %v", err)
	}
	used := make(map[string]bool)
	for _, path := range released {
		current, _ := strings.CutPrefix(path, "released"+string(filepath.Separator))
		for _, breach := range breaches(current, readSchema(t, path), readSchema(t, current)) {
			if at, _, _ := strings.Cut(breach, ": "); agreed()[at] != "" {
				used[at] = true
				continue
			}
			t.Error(breach)
		}
	}
	for at := range agreed() {
		if !used[at] {
			t.Errorf("%s is agreed to break and does not", at)
		}
	}
	for topic, messages := range topicsOf(t, "released/asyncapi.json") {
		for _, gone := range lacking(messages, topicsOf(t, "asyncapi.json")[topic]) {
			t.Errorf("%s is not on topic %s any more", gone, topic)
		}
	}
}

// agreed are the places in which contract v1.2 breaks with v1.1, and why. docs/contract-changelog.md tells consumers.
func agreed() map[string]string {
	const byData = "severity is a function of type and data: consumers go by the attribute"
	return map[string]string{
		"v1/emergency_exit.executed.json.severity": byData, "v1/emergency_exit.triggered.json.severity": byData,
		"v1/emergency_exit.reverted.json.severity": byData, "v1/execution.reverted.json.severity": byData,
		"v1/trim_pool.reverted.json.severity": byData, "v1/entry_block.cleared.json.severity": byData,
		"v1/stream.gap.json.severity":                      "ruling 21: a gap wakes somebody",
		"v1/emergency_exit.triggered.json.data.rebuy_used": "an absent value is null: false said more than the record does",
	}
}

func readSchema(t *testing.T, path string) document {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Errorf("a released type is gone: %v", err)
		return nil
	}
	var schema document
	if err := json.Unmarshal(text, &schema); err != nil {
		t.Fatal(err)
	}
	return schema
}

func topicsOf(t *testing.T, path string) map[string][]string {
	t.Helper()
	topics := make(map[string][]string)
	for topic, channel := range readSchema(t, path)["channels"].(document) {
		for message := range channel.(document)["messages"].(document) {
			topics[topic] = append(topics[topic], message)
		}
	}
	return topics
}

// breaches lists what a document that fits current may have that does not fit released. It knows the keywords that the
// generator writes, and takes any change of another one for a breach.
func breaches(path string, released, current document) []string {
	var found []string
	for keyword, was := range released {
		now := current[keyword]
		switch keyword {
		case "title", "description", "examples", "$comment": // say nothing about documents
		case "required":
			for _, name := range lacking(wordsIn(was), wordsIn(now)) {
				found = append(found, fmt.Sprintf("%s.%s may be absent now", path, name))
			}
		case "type", "enum":
			if added := lacking(wordsIn(now), wordsIn(was)); now == nil || len(added) > 0 {
				found = append(found, fmt.Sprintf("%s: %s allows %v now", path, keyword, added))
			}
		case "anyOf": // words to which others may come
			open := isOpen(was) && isOpen(now) && len(lacking(wordsOf(was), wordsOf(now))) == 0
			if !open && !reflect.DeepEqual(was, now) {
				found = append(found, fmt.Sprintf("%s: %s was %v and is %v", path, keyword, was, now))
			}
		case "properties":
			found = append(found, propertyBreaches(path, was.(document), now)...)
		case "items":
			found = append(found, breaches(path+"[]", was.(document), objectIn(now))...)
		default:
			if !reflect.DeepEqual(was, now) {
				found = append(found, fmt.Sprintf("%s: %s was %v and is %v", path, keyword, was, now))
			}
		}
	}
	return sorted(found)
}

func propertyBreaches(path string, released document, current any) []string {
	var found []string
	for name, was := range released {
		now, ok := objectIn(current)[name].(document)
		if !ok && !reflect.DeepEqual(was, objectIn(current)[name]) {
			found = append(found, fmt.Sprintf("%s.%s is gone", path, name))
			continue
		}
		found = append(found, breaches(path+"."+name, objectIn(was), now)...)
	}
	return found
}

// isOpen reports whether a list of alternatives takes any string, beside the words that it names.
func isOpen(alternatives any) bool {
	list, _ := alternatives.([]any)
	return slices.ContainsFunc(list, func(a any) bool { return reflect.DeepEqual(a, document{"type": "string"}) })
}

// wordsOf returns the words that a list of alternatives names.
func wordsOf(alternatives any) (words []string) {
	list, _ := alternatives.([]any)
	for _, a := range list {
		words = append(words, wordsIn(objectIn(a)["enum"])...)
	}
	return words
}

func lacking(want, have []string) []string {
	return slices.DeleteFunc(slices.Clone(want), func(name string) bool { return slices.Contains(have, name) })
}

func objectIn(value any) document {
	object, _ := value.(document)
	return object
}

// wordsIn returns a keyword's word or words.
func wordsIn(value any) []string {
	if word, ok := value.(string); ok {
		return []string{word}
	}
	var found []string
	list, _ := value.([]any)
	for _, v := range list {
		found = append(found, fmt.Sprint(v))
	}
	return found
}

// TestBreachesAreFound makes each kind of change to a released schema.
func TestBreachesAreFound(t *testing.T) {
	released := readSchema(t, "released/v1/entry_block.cleared.json")
	for change, breaks := range map[string]bool{
		`"trigger":{->"gone":{`:                                  true,
		`"enum":["success",->"enum":["other",`:                   true,
		`"enum":["success",->"enum":[`:                           false, // fewer words
		`["number","string","null"]->["number"]`:                 false, // fewer types
		`"const":"info"->"const":"page"`:                         true,
		`"required":["s1",->"required":[`:                        true,
		`"type":"array"->"type":"string"`:                        true,
		`,"type":"array"->`:                                      true,
		`"pattern":"^[0-9A-F]{32}$",->`:                          true,
		`"properties":{->"properties":{"new":{"type":"string"},`: false,
		`"required":["s1",->"required":["new","s1",`:             false,
		`"naive_timestamp",->"a_new_one","naive_timestamp",`:     false,
		`"naive_timestamp",->`:                                   true,
		`"description":"the stages->"description":"these stages`: false,
	} {
		text, err := json.Marshal(released)
		if err != nil {
			t.Fatal(err)
		}
		from, to, _ := strings.Cut(change, "->")
		changed := strings.Replace(string(text), from, to, 1)
		var current document
		if err := json.Unmarshal([]byte(changed), &current); err != nil || changed == string(text) {
			t.Fatalf("change %s: %v", change, err)
		}
		if found := breaches("v1", released, current); (len(found) > 0) != breaks {
			t.Errorf("change %s: found %q", change, found)
		}
	}
}
