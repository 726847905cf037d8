package schemas

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/hamba/avro/v2"
)

// TestReleasedAvroReadsToday: a reader with a released schema reads what today's writes, every recorded event of its type, and
// today's reads what the released one wrote. On a release: cp avro/v1/* released/avro/v1.
func TestReleasedAvroReadsToday(t *testing.T) {
	paths, err := filepath.Glob("released/avro/v1/*.avsc")
	if err != nil || len(paths) == 0 {
		t.Fatalf("no released Avro schemas: %v", err)
	}
	resolved := make(map[string]avro.Schema)
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		name := filepath.Base(path[:len(path)-len(".avsc")])
		released, today := parsed(t, text), parsed(t, avroSchema(t, Type("lowcap."+name+".v1")))
		compatible := avro.NewSchemaCompatibility()
		err = errors.Join(compatible.Compatible(released, today), compatible.Compatible(today, released))
		if broken := agreedAvro()[name] != ""; err != nil || broken {
			if (err != nil) != broken {
				t.Errorf("%s: agreed to break: %v, and does: %v", name, broken, err)
			}
			continue
		}
		if resolved[name], err = compatible.Resolve(released, today); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, event := range recorded() {
		of := typeOf(t, event)
		reader := resolved[of.Name()]
		if reader == nil {
			continue // a type that is newer than the release
		}
		binary, err := avroCodec(t, of).Append(nil, event)
		if err != nil {
			t.Fatal(err)
		}
		var record map[string]any
		if err := avro.Unmarshal(reader, binary, &record); err != nil || record["type"] != string(of) || record["data"] == nil {
			t.Errorf("%s: %v: %v", of, err, record)
		}
	}
}

// agreedAvro are the types that a reader with v1.1's Avro schema may fail to read, and why.
func agreedAvro() map[string]string {
	return map[string]string{"emergency_exit.triggered": "rebuy_used may be null: a record that does not say is not one that says no"}
}
