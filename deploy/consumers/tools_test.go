package consumers

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"syscall"
	"testing"
)

// installed returns a directory that install has filled, once for each content of the file that says what to install.
// It is kept in the user's cache; several test binaries may ask at once.
func installed(t *testing.T, kind, list string, install func(dir string) error) string {
	t.Helper()
	content, err := os.ReadFile(list)
	if err != nil {
		t.Fatal(err)
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(cache, "lowcap-cdc", fmt.Sprintf("%s-%x", kind, sha256.Sum256(content))[:len(kind)+13])
	done := filepath.Join(dir, ".complete")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	lock, err := os.Create(dir + ".lock")
	if err != nil {
		t.Fatal(err)
	}
	defer lock.Close() //nolint:errcheck // closing releases the lock
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(done); err == nil {
		return dir
	}
	if err := errors.Join(install(dir), os.WriteFile(done, nil, 0o600)); err != nil {
		t.Fatalf("install what %s asks for: %v", list, err)
	}
	return dir
}

// jars returns the class path of a recipe's pom.xml.
func jars(t *testing.T, recipe string) string {
	t.Helper()
	pom := filepath.Join(recipe, "pom.xml")
	return filepath.Join(installed(t, recipe, pom, func(dir string) error {
		return run("mvn", "-q", "-B", "-f", pom, "dependency:copy-dependencies", "-DoutputDirectory="+dir)
	}), "*")
}

// python returns the interpreter of a virtual environment with a recipe's requirements.
func python(t *testing.T, requirements string) string {
	t.Helper()
	return filepath.Join(installed(t, "python", requirements, func(dir string) error {
		if err := run("python3", "-m", "venv", dir); err != nil {
			return err
		}
		return run(filepath.Join(dir, "bin", "pip"), "install", "-q", "--disable-pip-version-check", "-r", requirements)
	}), "bin", "python")
}

// need fails the test when a program is missing: a recipe that nobody ran is no recipe.
func need(t *testing.T, program, pack string) {
	t.Helper()
	if _, err := exec.LookPath(program); err != nil {
		t.Fatalf("%v; run: apt-get install %s", err, pack)
	}
}

func run(name string, args ...string) error {
	if out, err := exec.Command(name, args...).CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w: %s", name, err, out)
	}
	return nil
}

// output runs a recipe and returns what it prints.
func output(t *testing.T, cmd *exec.Cmd) string {
	t.Helper()
	out, err := cmd.Output()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		t.Fatalf("%v: %s\n%s", cmd, exit.Stderr, out)
	}
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}

// java runs a class; a .java file is compiled on the way.
func java(t *testing.T, jars string, args ...string) *exec.Cmd {
	return exec.CommandContext(t.Context(), "java", slices.Concat([]string{"-Xmx512m", "-XX:+UseSerialGC",
		"-XX:TieredStopAtLevel=1", "-cp", jars}, args)...)
}
