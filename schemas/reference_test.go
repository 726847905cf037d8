package schemas

import (
	"encoding/json"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"reflect"
	"strings"

	"github.com/invopop/jsonschema"
)

// reference returns docs/events.md, made from the types, their comments and the recording.
func (g *generator) reference() []byte {
	var page strings.Builder
	page.WriteString(introduction)
	fmt.Fprintf(&page, "\n## Common fields\n\nOf every `data`, beside the type's own:\n\n%s\nThe `entity` is one of these:\n\n%s",
		g.fields(reflect.TypeFor[Common](), nil), g.entityFields())
	fmt.Fprintf(&page, "\n`origin`, whose `op` may also be `time` where a type says that it is told when time has passed:\n\n%s\n"+
		"`origin.session`:\n\n%s\n%s", g.fields(reflect.TypeFor[Origin](), nil), g.fields(reflect.TypeFor[Session](), nil), flagTable())
	topic := ""
	for _, kind := range Kinds() {
		if kind.Topic != topic {
			topic = kind.Topic
			fmt.Fprintf(&page, "\n## `lowcap.%s`\n\n%s\n%s", topic, topicDescriptions()[topic], diagrams()[topic])
		}
		g.section(&page, kind)
	}
	return []byte(page.String())
}

const introduction = `# Events

Made by ` + "`go test ./schemas -update`" + ` from the Go types, their comments and a recording; do not edit. How to read them with your
tools: [consumers.md](consumers.md). How they may change: [contract-changelog.md](contract-changelog.md).

Two rules before everything else. **Order by ` + "`sequence`" + `**, never by ` + "`occurred_at` or `time`" + `, which are clocks. **Never
debounce**: a value that lives for 200 ms is often the only evidence that something happened, and what takes it back is an
event of its own.

Every event carries its ` + "`number`" + ` and, in ` + "`chain`" + `, the hash of the one before it: [what
for](consumers.md#prove-that-nothing-is-missing).

Severity: page = wake somebody, warn = tell somebody in working hours, info = the rest. It is in the header ` + "`ce_severity`" + `.
`

func diagrams() map[string]string {
	fenced := func(diagram string) string { return "\n```mermaid\n" + diagram + "\n```\n" }
	return map[string]string{TrimPools: fenced(poolDiagram), EntryBlocks: fenced(blockDiagram)}
}

// guide is what the comment of an event's struct says beside what the event is.
type guide struct {
	why    string // what stands behind it
	do     string // what a consumer should do
	hidden string // which hazard of the source the event spares its reader
}

func (g *generator) guide(kind Kind) (about guide) {
	for _, text := range g.paragraphs(reflect.TypeOf(kind.New()).Elem(), "") {
		label, said, _ := strings.Cut(text, ": ")
		switch label {
		case "Why":
			about.why = said
		case "Do":
			about.do = said
		case "Hidden":
			about.hidden = said
		}
	}
	return about
}

func (g *generator) section(page *strings.Builder, kind Kind) {
	of, name, about := reflect.TypeOf(kind.New()).Elem(), kind.Type.Name(), g.guide(kind)
	when := strings.Replace(g.LookupComment(of, ""), of.Name(), "`"+name+"`", 1)
	if kind.Due {
		when += " It may be told when time has passed (`origin.op` is `time`)."
	}
	fmt.Fprintf(page, "\n### %s\n\n%s **Severity %s.**\n\n- Why: %s\n- Do: %s\n", name, when, severities(kind), about.why, about.do)
	if about.hidden != "" {
		fmt.Fprintf(page, "- Hidden from you: %s\n", about.hidden)
	}
	fmt.Fprintf(page, "\n%s", g.fields(of, map[string]bool{"Common": true}))
	if example, ok := g.examples[kind.Type]; ok {
		fmt.Fprintf(page, "\n%s", shortened(example))
	}
}

// severities names the severities of a type, the usual one first.
func severities(kind Kind) string {
	names := make([]string, len(kind.Severities))
	for i, severity := range kind.Severities {
		names[i] = string(severity)
	}
	return strings.Join(names, " or ")
}

// fields is a table of a struct's fields, embedded ones in their place.
func (g *generator) fields(of reflect.Type, without map[string]bool) string {
	var rows strings.Builder
	g.rows(&rows, g.of(of), of, without)
	if rows.Len() == 0 {
		return "No fields of its own.\n"
	}
	return "| field | type | |\n|---|---|---|\n" + rows.String()
}

func (g *generator) rows(rows *strings.Builder, schema *jsonschema.Schema, of reflect.Type, without map[string]bool) {
	for i := range of.NumField() {
		field := of.Field(i)
		name := field.Tag.Get("json")
		property, _ := schema.Properties.Get(name)
		switch {
		case without[field.Name]:
		case field.Anonymous:
			g.rows(rows, schema, field.Type, without)
		default:
			fmt.Fprintf(rows, "| `%s` | %s | %s |\n", name, typeName(property), property.Description)
		}
	}
}

func typeName(schema *jsonschema.Schema) string {
	switch types := schema.Extras["type"].(type) {
	case []string:
		if schema.Format == "date-time" {
			return "timestamp or null"
		}
		if len(types) > 3 {
			return "any JSON"
		}
		return types[0] + " or null"
	}
	switch {
	case len(schema.Enum) > 0:
		return "`" + strings.Join(strings.Fields(strings.Trim(fmt.Sprint(schema.Enum), "[]")), "` `") + "`"
	case schema.Type == "array":
		return "list"
	case schema.Type == "":
		return "any JSON"
	}
	return schema.Type
}

func (g *generator) entityFields() string {
	var tables strings.Builder
	for _, entity := range []Entity{Position{}, Block{}, Table{}, Stream{}} {
		of := reflect.TypeOf(entity)
		fmt.Fprintf(&tables, "%s\n\n%s\n", g.LookupComment(of, ""), g.fields(of, nil))
	}
	return tables.String()
}

func flagTable() string {
	var table strings.Builder
	table.WriteString("Flags; a consumer ignores those that it does not know:\n\n| flag | |\n|---|---|\n")
	for _, flag := range flags() {
		fmt.Fprintf(&table, "| `%s` | %s |\n", flag, constantComments()[string(flag)])
	}
	return table.String()
}

// shortened shows of an example what the type is about: its own fields, before and after.
func shortened(example json.RawMessage) string {
	var event struct {
		Subject, Sequence string
		Data              json.RawMessage
	}
	must(0, json.Unmarshal(example, &event))
	text := string(event.Data)
	own, _, _ := strings.Cut(text, `"entity":`)
	changed := text[strings.Index(text, `"before":`):]
	changed, _, _ = strings.Cut(changed, `,"origin":`)
	return "```json\n{\n" + membersByLine(own+changed+"}") + "}\n```\n"
}

// membersByLine writes each member of an object on a line of its own, in order.
func membersByLine(object string) string {
	decoder := json.NewDecoder(strings.NewReader(object))
	must(decoder.Token())
	var lines strings.Builder
	for decoder.More() {
		name := must(decoder.Token())
		var value json.RawMessage
		must(0, decoder.Decode(&value))
		comma := ""
		if decoder.More() {
			comma = ","
		}
		fmt.Fprintf(&lines, "  %q: %s%s\n", name, value, comma)
	}
	return lines.String()
}

// constantComments returns the comment behind each string constant of values.go, by value.
func constantComments() map[string]string {
	file := must(parser.ParseFile(token.NewFileSet(), "values.go", nil, parser.ParseComments))
	comments := make(map[string]string)
	ast.Inspect(file, func(n ast.Node) bool {
		if spec, ok := n.(*ast.ValueSpec); ok && len(spec.Values) == 1 {
			if literal, ok := spec.Values[0].(*ast.BasicLit); ok {
				comments[strings.Trim(literal.Value, `"`)] = strings.TrimSpace(spec.Comment.Text())
			}
		}
		return true
	})
	return comments
}
