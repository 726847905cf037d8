// Command generate writes what follows from the structs of package schemas: each event's type, its JSON, and the table of
// all types. It reads source text only, so that it runs even when what it wrote before no longer compiles.
//
// A struct is an event when its comment ends with a directive that names the type, its topic and the severities that its
// events may have, the usual one first. A type that is told when time has passed says due:
//
//	//lowcap:event trim_pool.opened trim-pools info
//	//lowcap:event execution.unrecorded executions warn,page due
package main

import (
	"fmt"
	"os"
	"path/filepath"
)

const generatedFile = "events_generated.go"

// main runs in the directory of package schemas, where go generate starts it.
func main() {
	text, err := generate(".")
	if err == nil {
		err = os.WriteFile(generatedFile, text, 0o600)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "generate:", err)
		os.Exit(1)
	}
}

// generate returns the text of the generated file of the package in a directory.
func generate(dir string) ([]byte, error) {
	paths, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil {
		return nil, err
	}
	contract, err := readContract(paths)
	if err != nil {
		return nil, err
	}
	return contract.print()
}
