// Package release holds the script that installs a release. Its tests make a release with a key of their own, install it into a
// Debian that has nothing else, and start what other platforms get.
package release

import (
	"debug/macho"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"lowcap-cdc/deploy/lab"
)

const version = "v1.2.3-test"

var (
	platforms = []string{"linux-amd64", "linux-arm64", "darwin-arm64"} // the fourth takes another minute, and would tell nothing else
	programs  = []string{"lowcap-cdc", "lowcap-parquet"}
	here      = runtime.GOOS + "-" + runtime.GOARCH
)

// TestRelease makes a release as a maintainer does, and looks at it as a stranger does.
func TestRelease(t *testing.T) {
	debian := lab.Debian(t)
	keys := filepath.Join(debian, "keys")
	must(t, os.Mkdir(keys, 0o755))
	for _, name := range []string{"release", "other"} {
		run(t, "ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", name, "-f", filepath.Join(keys, name))
	}
	dist := filepath.Join(debian, "dist")
	run(t, "make", "--silent", "-C", "../..", "release", "DIST="+dist, "VERSION="+version, "PLATFORMS="+strings.Join(platforms, " "), "SIGN_KEY="+filepath.Join(keys, "release"))
	t.Run("holds what it should", func(t *testing.T) { requireWhole(t, dist) })
	t.Run("is installed", func(t *testing.T) { (&stranger{t, debian}).installs() })
	t.Run("is refused", func(t *testing.T) { (&stranger{t, debian}).refuses() })
	t.Run("runs on the other machine", func(t *testing.T) { requireOtherMachine(t, dist) })
	t.Run("is well formed for darwin", func(t *testing.T) { requireDarwin(t, dist) })
}

func TestReleaseNeedsAKey(t *testing.T) {
	out, err := exec.CommandContext(t.Context(), "make", "--silent", "-C", "../..", "release", "DIST="+t.TempDir(), "SIGN_KEY=").CombinedOutput()
	if err == nil || !strings.Contains(string(out), "SIGN_KEY=FILE") {
		t.Errorf("%v: %s", err, out)
	}
}

// requireWhole finds each program with what it is made of, and nothing whose checksum is not in the list.
func requireWhole(t *testing.T, dist string) {
	want := []string{"LICENSE", "NOTICE", "VERSION", "install.sh"}
	for _, platform := range platforms {
		for _, program := range programs {
			name := program + "-" + platform
			want = append(want, name, name+".cdx.json")
			requireMaterials(t, filepath.Join(dist, name+".cdx.json"))
		}
	}
	slices.Sort(want)
	var got []string
	for line := range strings.Lines(read(t, filepath.Join(dist, "SHA256SUMS"))) {
		got = append(got, strings.Fields(line)[1])
	}
	slices.Sort(got)
	if !slices.Equal(got, want) {
		t.Errorf("SHA256SUMS names %v, want %v", got, want)
	}
	check := exec.CommandContext(t.Context(), "sha256sum", "--check", "--strict", "--quiet", "SHA256SUMS")
	check.Dir = dist
	if out, err := check.CombinedOutput(); err != nil {
		t.Errorf("%v: %s", err, out)
	}
	files, err := os.ReadDir(dist)
	must(t, err)
	if len(files) != len(want)+2 { // the list and its signature
		t.Errorf("the release has %v", files)
	}
}

// requireMaterials reads a bill of materials.
func requireMaterials(t *testing.T, path string) {
	t.Helper()
	var bill struct {
		BOMFormat  string
		Metadata   struct{ Component struct{ Version string } }
		Components []struct{ Name string }
	}
	must(t, json.Unmarshal([]byte(read(t, path)), &bill))
	if bill.BOMFormat != "CycloneDX" || bill.Metadata.Component.Version != version || len(bill.Components) < 3 {
		t.Errorf("%s: %+v", path, bill)
	}
}

// emulators run another machine's programs, by the name of that machine.
var emulators = map[string]string{"arm64": "qemu-aarch64-static", "amd64": "qemu-x86_64-static"}

// requireOtherMachine starts the programs for the processor that this machine has not got: the sidecar reads a real Postgres there.
func requireOtherMachine(t *testing.T, dist string) {
	other := map[string]string{"amd64": "arm64", "arm64": "amd64"}[runtime.GOARCH]
	emulator, err := exec.LookPath(emulators[other])
	if err != nil {
		lab.Missing(t, "no emulator; run: .ci/deps qemu: ", err)
	}
	started := func(program string, args ...string) *exec.Cmd {
		return exec.CommandContext(t.Context(), emulator, append([]string{filepath.Join(dist, program+"-linux-"+other)}, args...)...)
	}
	if out, err := started("lowcap-cdc", "version").CombinedOutput(); err != nil || !strings.HasSuffix(string(out), " linux/"+other+")\n") {
		t.Errorf("%v: %s", err, out)
	}
	server, err := lab.StartPostgres(t.Context(), "fsync=off")
	must(t, err)
	defer server.Close() //nolint:errcheck // the test is over
	conn, err := server.CreateSource(t.Context(), "trading")
	must(t, err)
	defer conn.Close(t.Context()) //nolint:errcheck // the server goes too
	must(t, lab.SeedPositions(t.Context(), conn, 10))
	sink := "file:" + filepath.Join(t.TempDir(), "events") + "?rotate=1MB"
	if out, err := started("lowcap-cdc", "run", "--until", "now", "--postgres", server.DSN("trading"), "--sink", sink).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	verify := exec.CommandContext(t.Context(), filepath.Join(dist, "lowcap-cdc-"+here), "audit", "verify", "--sink", sink)
	if out, err := verify.CombinedOutput(); err != nil || !strings.Contains(string(out), "10 events") {
		t.Errorf("%v: %s", err, out)
	}
	if out, err := started("lowcap-parquet").CombinedOutput(); err == nil || !strings.HasPrefix(string(out), "lowcap-parquet [-follow]") {
		t.Errorf("%v: %s", err, out)
	}
}

// codeSignature is LC_CODE_SIGNATURE of Apple's loader.h. An Apple processor starts no program without one.
const codeSignature = 0x1d

// requireDarwin reads the programs as macOS's loader would. Nothing that runs them is to be had outside of macOS.
func requireDarwin(t *testing.T, dist string) {
	for _, program := range programs {
		file, err := macho.Open(filepath.Join(dist, program+"-darwin-arm64"))
		must(t, err)
		defer file.Close() //nolint:errcheck // it was only read
		signed := slices.ContainsFunc(file.Loads, func(l macho.Load) bool { return file.ByteOrder.Uint32(l.Raw()) == codeSignature })
		libraries, err := file.ImportedLibraries()
		must(t, err)
		foreign := slices.ContainsFunc(libraries, func(l string) bool {
			return !strings.HasPrefix(l, "/usr/lib/") && !strings.HasPrefix(l, "/System/Library/")
		})
		if file.Cpu != macho.CpuArm64 || file.Type != macho.TypeExec || foreign || !signed {
			t.Errorf("%s for darwin/arm64: %v %v, libraries %v, signed: %v", program, file.Cpu, file.Type, libraries, signed)
		}
	}
}

func run(t *testing.T, name string, args ...string) {
	t.Helper()
	if out, err := exec.CommandContext(t.Context(), name, args...).CombinedOutput(); err != nil {
		t.Fatalf("%s %s: %v: %s", name, strings.Join(args, " "), err, out)
	}
}

func read(t *testing.T, path string) string {
	t.Helper()
	content, err := os.ReadFile(path)
	must(t, err)
	return string(content)
}

func write(t *testing.T, path, content string) {
	t.Helper()
	must(t, os.RemoveAll(path)) // it may be another name of the release's own file
	must(t, os.WriteFile(path, []byte(content), 0o644))
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(fmt.Errorf("%s: %w", t.Name(), err))
	}
}
