package main

import (
	"cmp"
	"fmt"
	"strings"
	"testing"

	"github.com/alecthomas/kong"

	"lowcap-cdc/cmd/lowcap-cdc/internal/golden"
	"lowcap-cdc/cmd/lowcap-cdc/internal/settings"
)

// TestCommandLineReference writes docs/cli.md from the command line's definition and compares it with what is there.
func TestCommandLineReference(t *testing.T) {
	parser, err := newParser(&cli{}, settings.NewHidden())
	if err != nil {
		t.Fatal(err)
	}
	root := parser.Model.Node
	var b strings.Builder
	b.WriteString("# Command line\n\nWritten by `go test ./cmd/lowcap-cdc -run TestCommandLineReference -update`.\n\n" +
		strings.TrimSpace(description) + "\n\nEvery flag is an environment variable too: `LOWCAP_CDC_` and its name in capitals, `-` as `_`.\n" +
		"\n## Flags of every verb\n\n")
	writeFlags(&b, root.Flags)
	for _, node := range root.Children {
		writeVerb(&b, "lowcap-cdc", node)
	}
	golden.Compare(t, "../../docs/cli.md", b.String())
}

func writeVerb(b *strings.Builder, before string, node *kong.Node) {
	name := before + " " + node.Name
	fmt.Fprintf(b, "\n## %s\n\n%s\n", name, node.Help)
	if byDefault := node.DefaultCmd; byDefault != nil {
		fmt.Fprintf(b, "The word `%s` may be left out.\n", byDefault.Name)
	}
	if len(node.Positional) > 0 {
		b.WriteString("\n| argument | |\n|---|---|\n")
		for _, p := range node.Positional {
			fmt.Fprintf(b, "| `%s` | %s |\n", strings.ReplaceAll(p.Summary(), "|", "\\|"), p.Help)
		}
	}
	if len(node.Flags) > 0 {
		b.WriteString("\n")
		writeFlags(b, node.Flags)
	}
	for _, below := range node.Children {
		writeVerb(b, name, below)
	}
}

func writeFlags(b *strings.Builder, flags []*kong.Flag) {
	b.WriteString("| flag | default | |\n|---|---|---|\n")
	for _, f := range flags {
		help := f.Help
		if f.Required {
			help += " Required."
		}
		fmt.Fprintf(b, "| `%s` | %s | %s |\n", strings.ReplaceAll(flagName(f), "|", "\\|"), code(f.Default), help)
	}
}

// flagName returns everything that a flag may be written as.
func flagName(f *kong.Flag) string {
	name := "--" + f.Name
	if f.Tag.Negatable != "" {
		name = "--[no-]" + f.Name
	}
	if f.Short != 0 {
		name = "-" + string(f.Short) + ", " + name
	}
	if !f.IsBool() {
		name += " " + cmp.Or(f.PlaceHolder, "VALUE")
	}
	return name
}

func code(text string) string {
	if text == "" {
		return ""
	}
	return "`" + text + "`"
}
