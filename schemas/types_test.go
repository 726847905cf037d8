package schemas_test

import (
	"testing"

	"lowcap-cdc/schemas"
)

// TestForeignTypes: a consumer may meet any type on its topics. None may be taken for ours, and none makes it panic.
func TestForeignTypes(t *testing.T) {
	for given, want := range map[schemas.Type]string{
		"lowcap.trim_pool.opened.v1": "trim_pool.opened",
		"lowcap.trim_pool.opened.v2": "trim_pool.opened",
		"com.example.order":          "com.example.order",
		"lowcap.":                    "lowcap.",
		".v1":                        ".v1",
		"v1":                         "v1",
		"":                           "",
	} {
		if got := given.Name(); got != want {
			t.Errorf("name of %q is %q, want %q", given, got, want)
		}
		if topic := schemas.TopicOf(given); want != "trim_pool.opened" && given != "lowcap.trim_pool.opened.v2" && topic != schemas.Control {
			t.Errorf("topic of %q is %q", given, topic)
		}
	}
}

// TestKindsAgree: the table of types says of each the same topic and severity as the functions that events go by.
func TestKindsAgree(t *testing.T) {
	for _, kind := range schemas.Kinds() {
		if topic, severity := schemas.TopicOf(kind.Type), schemas.SeverityOf(kind.Type); topic != kind.Topic || severity != kind.Severity {
			t.Errorf("%s: %s and %s, its kind says %s and %s", kind.Type, topic, severity, kind.Topic, kind.Severity)
		}
	}
}
