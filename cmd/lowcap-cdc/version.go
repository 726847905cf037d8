package main

import (
	"fmt"
	"io"
	"runtime"
	"runtime/debug"

	"github.com/alecthomas/kong"

	"lowcap-cdc/cmd/lowcap-cdc/internal/settings"
)

// version is set by the linker in a release build.
var version = ""

type versionCommand struct{}

// Run prints the version.
func (*versionCommand) Run(_ *settings.Settings, std *settings.Streams) error {
	printVersion(std.Out)
	return nil
}

// buildVersion returns the version as the linker or the module's build says it.
func buildVersion() string {
	if info, ok := debug.ReadBuildInfo(); ok && version == "" {
		return info.Main.Version
	}
	return version
}

// versionFlag is --version, which needs no verb.
type versionFlag bool

// BeforeReset prints the version and ends. kong calls it before it asks for a verb.
func (versionFlag) BeforeReset(app *kong.Kong) error {
	printVersion(app.Stdout)
	app.Exit(settings.ExitDone)
	return nil
}

func printVersion(out io.Writer) {
	fmt.Fprintf(out, "lowcap-cdc %s (%s %s/%s)\n", buildVersion(), runtime.Version(), runtime.GOOS, runtime.GOARCH)
}
