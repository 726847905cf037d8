// Package docker holds the image and a composition to try it with. No test here needs a Docker engine: buildah builds the image and runs
// it, and what the composition starts is run as processes.
package docker

import (
	"crypto/sha256"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"testing"
)

const testVersion = "v1.2.3-test"

var buildStep = regexp.MustCompile(`(?m)^RUN (CGO_ENABLED=0 .*)$`)

// build runs the Dockerfile's build step in a copy of what the build context holds, and returns the binary.
func build(t *testing.T) string {
	t.Helper()
	dockerfile, err := os.ReadFile("Dockerfile")
	if err != nil {
		t.Fatal(err)
	}
	step := buildStep.FindSubmatch(dockerfile)
	if step == nil {
		t.Fatal("the Dockerfile has no build step")
	}
	source, out := t.TempDir(), t.TempDir()
	copyContext(t, source)
	cmd := exec.CommandContext(t.Context(), "sh", "-c", strings.Replace(string(step[1]), "/out/", out+"/", 1))
	cmd.Dir = source
	cmd.Env = append(os.Environ(), "TARGETOS="+runtime.GOOS, "TARGETARCH="+runtime.GOARCH, "VERSION="+testVersion, "GOFLAGS=")
	if message, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, message)
	}
	return filepath.Join(out, "lowcap-cdc")
}

// copyContext copies the files of the repository that Dockerfile.dockerignore lets through.
func copyContext(t *testing.T, to string) {
	t.Helper()
	root := filepath.Join("..", "..")
	for _, name := range []string{"go.mod", "go.sum", "cmd", "cdc", "decode", "sink", "schemas"} {
		err := filepath.WalkDir(filepath.Join(root, name), func(path string, entry os.DirEntry, err error) error {
			switch {
			case err != nil:
				return err
			case entry.IsDir() && entry.Name() == "testdata":
				return filepath.SkipDir
			case entry.IsDir() || strings.HasSuffix(path, "_test.go"):
				return nil
			}
			content, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			target := filepath.Join(to, strings.TrimPrefix(path, root))
			if err := os.MkdirAll(filepath.Dir(target), 0o755); err != nil {
				return err
			}
			return os.WriteFile(target, content, 0o600)
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}

// mostBytes is how large the sidecar may be. A dependency has to be worth its place in it.
const mostBytes = 25_000_000

// make release and the image must give the same bytes, from different directories; a path or a time in the binary would
// tell them apart.
func TestBuildIsReproducible(t *testing.T) {
	image, dist := build(t), t.TempDir()
	platform := runtime.GOOS + "-" + runtime.GOARCH
	released := filepath.Join(dist, "lowcap-cdc-"+platform)
	cmd := exec.CommandContext(t.Context(), "make", "--silent", "-C", "../..", "DIST="+dist, "PLATFORMS="+platform,
		"VERSION="+testVersion, released)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if a, b := sum(t, image), sum(t, released); a != b {
		t.Errorf("the image's binary is %x, the released one %x", a, b)
	}
	requireStaticAndStamped(t, image)
}

// The image has no libc and no loader, so the binary must not ask for one; and it must know its version.
func requireStaticAndStamped(t *testing.T, binary string) {
	t.Helper()
	content, err := os.ReadFile(binary)
	if err != nil {
		t.Fatal(err)
	}
	if len(content) > mostBytes {
		t.Errorf("the binary takes %d bytes", len(content))
	}
	if strings.Contains(string(content), "/lib64/ld-linux") {
		t.Error("the binary is linked dynamically")
	}
	out, err := exec.CommandContext(t.Context(), binary, "version").CombinedOutput()
	if err != nil || !strings.Contains(string(out), testVersion) {
		t.Errorf("version says %q, %v", out, err)
	}
}

func sum(t *testing.T, path string) [sha256.Size]byte {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return sha256.Sum256(content)
}

func TestDockerfileLints(t *testing.T) {
	cache, err := os.UserCacheDir()
	if err != nil {
		t.Fatal(err)
	}
	hadolint := filepath.Join(cache, "lowcap-cdc", "hadolint", "bin", "hadolint")
	if _, err := os.Stat(hadolint); err != nil {
		t.Fatal("hadolint is missing; run: .ci/deps hadolint")
	}
	if out, err := exec.CommandContext(t.Context(), hadolint, "Dockerfile").CombinedOutput(); err != nil {
		t.Fatalf("hadolint: %v\n%s", err, out)
	}
}
