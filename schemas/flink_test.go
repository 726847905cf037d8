package schemas

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
)

// flinkTables returns a Flink table for each topic; its data has the fields of all the topic's types.
func flinkTables() []byte {
	var ddl strings.Builder
	ddl.WriteString("-- Made by go test ./schemas -update from the Go types; do not edit. Replace localhost:9092 by your brokers.\n")
	var topics []string
	for _, kind := range Kinds() {
		if !slices.Contains(topics, kind.Topic) {
			topics = append(topics, kind.Topic)
		}
	}
	for _, topic := range topics {
		fmt.Fprintf(&ddl, flinkTable, strings.ReplaceAll(topic, "-", "_"), flinkData(topic), topic)
	}
	return []byte(ddl.String())
}

const flinkTable = `
create table %s (
  id string, source string, type string, subject string, ` + "`time`" + ` string, partitionkey string, sequence string, severity string,
  data row<
    %s>,
  committed_at timestamp_ltz(3) metadata from 'timestamp' virtual,
  watermark for committed_at as committed_at - interval '5' second
) with (
  'connector' = 'kafka', 'topic' = 'lowcap.%s', 'properties.bootstrap.servers' = 'localhost:9092',
  'properties.isolation.level' = 'read_committed', 'scan.startup.mode' = 'earliest-offset', 'format' = 'json',
  'json.ignore-parse-errors' = 'true'
);
`

// flinkData lists the fields of a topic's types; what has different types in two of them is a string.
func flinkData(topic string) string {
	var names []string
	types := make(map[string]string)
	for _, kind := range Kinds() {
		if kind.Topic != topic {
			continue
		}
		for _, field := range reflect.VisibleFields(reflect.TypeOf(kind.New()).Elem()) {
			name := field.Tag.Get("json")
			if field.Anonymous || name == "" {
				continue
			}
			sql := flinkType(field.Type)
			if name == "entity" {
				sql = flinkType(reflect.TypeOf(entitiesOf(kind.Type)[0]).Elem())
			}
			switch known := types[name]; {
			case known == "":
				names = append(names, name)
				types[name] = sql
			case known != sql && name != "entity":
				panic(fmt.Sprintf("%s: %s is %s in one type and %s in another", topic, name, known, sql))
			case known != sql:
				types[name] = "row<`table` string, slot string>" // the control topic's
			}
		}
	}
	slices.Sort(names)
	for i, name := range names {
		names[i] = "`" + name + "` " + types[name]
	}
	return strings.Join(names, ",\n    ")
}

func flinkType(t reflect.Type) string {
	switch {
	case t == reflect.TypeFor[Number]():
		return "decimal(38, 18)"
	case t.Kind() == reflect.Pointer:
		return flinkType(t.Elem())
	case t.Kind() == reflect.Slice && t != reflect.TypeFor[Raw]():
		return "array<string>"
	case t.Kind() == reflect.Bool:
		return "boolean"
	case t.Kind() == reflect.Uint32, t.Kind() == reflect.Uint64:
		return "bigint"
	case t.Kind() == reflect.Struct:
		var fields []string
		for _, field := range reflect.VisibleFields(t) {
			fields = append(fields, "`"+field.Tag.Get("json")+"` "+flinkType(field.Type))
		}
		return "row<" + strings.Join(fields, ", ") + ">"
	}
	return "string"
}
