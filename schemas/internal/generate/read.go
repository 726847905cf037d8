package main

import (
	"cmp"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"go/types"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
)

const directive = "//lowcap:event "

// contract is what the source of package schemas declares.
type contract struct {
	files   *token.FileSet
	structs map[string]*structure
	strings map[string]bool   // types whose values are strings, such as Stage
	topics  []constant        // in the order in which the reference has them
	words   map[string]string // a severity's constant by its word
	order   []*structure      // structs as they stand in the files
}

type constant struct{ name, value string }

// structure is a struct and, when it has a directive, an event.
type structure struct {
	name   string
	at     token.Position
	fields []field
	event  *event
}

type event struct {
	name, topic string
	severities  []string // the usual one first
	due         bool     // told when time has passed
}

type field struct {
	name, json, of string // of: its type, as the source spells it
	embedded       bool
}

func readContract(paths []string) (*contract, error) {
	c := &contract{files: token.NewFileSet(), structs: map[string]*structure{}, strings: map[string]bool{}, words: map[string]string{}}
	for _, path := range paths {
		if base := filepath.Base(path); base == generatedFile || strings.HasSuffix(base, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(c.files, path, nil, parser.ParseComments)
		if err != nil {
			return nil, err
		}
		for _, declaration := range file.Decls {
			if general, ok := declaration.(*ast.GenDecl); ok {
				if err := c.declaration(general); err != nil {
					return nil, err
				}
			}
		}
	}
	return c, c.check()
}

func (c *contract) declaration(declaration *ast.GenDecl) error {
	for _, spec := range declaration.Specs {
		switch spec := spec.(type) {
		case *ast.TypeSpec:
			doc := spec.Doc
			if doc == nil {
				doc = declaration.Doc
			}
			if err := c.typeSpec(spec, doc); err != nil {
				return err
			}
		case *ast.ValueSpec:
			c.constant(declaration.Doc, spec)
		}
	}
	return nil
}

func (c *contract) typeSpec(spec *ast.TypeSpec, doc *ast.CommentGroup) error {
	switch of := spec.Type.(type) {
	case *ast.Ident:
		c.strings[spec.Name.Name] = of.Name == "string"
	case *ast.StructType:
		s := &structure{name: spec.Name.Name, at: c.files.Position(spec.Pos())}
		for _, f := range of.Fields.List {
			s.fields = append(s.fields, fieldsOf(f)...)
		}
		var err error
		s.event, err = eventOf(doc)
		c.structs[s.name], c.order = s, append(c.order, s)
		if err != nil {
			return fmt.Errorf("%s: %s: %w", s.at, s.name, err)
		}
	}
	return nil
}

func fieldsOf(f *ast.Field) []field {
	of, tag := types.ExprString(f.Type), ""
	if f.Tag != nil {
		tag = reflect.StructTag(strings.Trim(f.Tag.Value, "`")).Get("json")
	}
	if len(f.Names) == 0 {
		return []field{{name: of, of: of, embedded: true}}
	}
	var fields []field
	for _, name := range f.Names {
		fields = append(fields, field{name: name.Name, json: tag, of: of})
	}
	return fields
}

// eventOf reads the directive of a struct's comment, nil when it has none.
func eventOf(doc *ast.CommentGroup) (*event, error) {
	if doc == nil {
		return nil, nil
	}
	for _, line := range doc.List {
		if facts, ok := strings.CutPrefix(line.Text, directive); ok {
			words := strings.Fields(facts)
			due := len(words) == 4 && words[3] == "due"
			if len(words) != 3 && !due {
				return nil, fmt.Errorf("%q is not: %sNAME TOPIC SEVERITY[,SEVERITY] [due]", line.Text, directive)
			}
			return &event{name: words[0], topic: words[1], severities: strings.Split(words[2], ","), due: due}, nil
		}
	}
	return nil, nil
}

// constant keeps the topics, which stand in a group of their own, and the severities.
func (c *contract) constant(doc *ast.CommentGroup, spec *ast.ValueSpec) {
	if len(spec.Values) != 1 {
		return
	}
	literal, ok := spec.Values[0].(*ast.BasicLit)
	if !ok || literal.Kind != token.STRING {
		return
	}
	made := constant{spec.Names[0].Name, strings.Trim(literal.Value, "`\"")}
	switch {
	case spec.Type != nil && types.ExprString(spec.Type) == "Severity":
		c.words[made.value] = made.name
	case spec.Type == nil && strings.HasPrefix(doc.Text(), "The topics"):
		c.topics = append(c.topics, made)
	}
}

// topic returns the place of an event's topic among all.
func (c *contract) topic(name string) int {
	return slices.IndexFunc(c.topics, func(t constant) bool { return t.value == name })
}

// events returns the events by topic, and of one topic as they stand in the files.
func (c *contract) events() []*structure {
	events := slices.DeleteFunc(slices.Clone(c.order), func(s *structure) bool { return s.event == nil })
	slices.SortStableFunc(events, func(a, b *structure) int { return cmp.Compare(c.topic(a.event.topic), c.topic(b.event.topic)) })
	return events
}

func (c *contract) areSeverities(words []string) bool {
	return !slices.ContainsFunc(words, func(word string) bool { return c.words[word] == "" })
}

func (c *contract) check() error {
	var errs []error
	seen := map[string]bool{}
	for _, s := range c.events() {
		switch {
		case c.topic(s.event.topic) < 0:
			errs = append(errs, fmt.Errorf("%s: %s: no topic is called %q", s.at, s.name, s.event.topic))
		case !c.areSeverities(s.event.severities):
			errs = append(errs, fmt.Errorf("%s: %s: no severity is called %q", s.at, s.name, strings.Join(s.event.severities, ",")))
		case seen[s.event.name]:
			errs = append(errs, fmt.Errorf("%s: %s: another struct is %s too", s.at, s.name, s.event.name))
		case len(s.fields) == 0 || s.fields[0].of != "Common":
			errs = append(errs, fmt.Errorf("%s: %s: an event begins with Common", s.at, s.name))
		}
		seen[s.event.name] = true
	}
	return errors.Join(errs...)
}
