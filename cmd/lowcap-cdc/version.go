package main

import (
	"fmt"
	"runtime"
	"runtime/debug"

	"lowcap-cdc/cmd/lowcap-cdc/internal/settings"
)

// version is set by the linker in a release build.
var version = ""

type versionCommand struct{}

// Run prints the version.
func (*versionCommand) Run(_ *settings.Settings, std *settings.Streams) error {
	fmt.Fprintf(std.Out, "lowcap-cdc %s (%s %s/%s)\n", buildVersion(), runtime.Version(), runtime.GOOS, runtime.GOARCH)
	return nil
}

// buildVersion returns the version as the linker or the module's build says it.
func buildVersion() string {
	if info, ok := debug.ReadBuildInfo(); ok && version == "" {
		return info.Main.Version
	}
	return version
}
