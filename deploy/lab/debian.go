package lab

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// Debian returns the root directory of a Debian (or Ubuntu) that holds nothing but what every one does, ssh-keygen, curl and the
// usual certificates. .ci/deps debian has made the archive that it comes from.
func Debian(t testing.TB) (root string) {
	t.Helper()
	if os.Getuid() != 0 {
		Missing(t, "only root can change into another root directory")
	}
	root = t.TempDir()
	if out, err := exec.Command("tar", "-C", root, "-xf", DebianArchive(t)).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return root
}

// DebianArchive returns the tar of what Debian unpacks.
func DebianArchive(t testing.TB) string {
	t.Helper()
	cache, err := os.UserCacheDir()
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(cache, "lowcap-cdc", "debian.tar")
	if _, err := os.Stat(path); err != nil {
		Missing(t, "no Debian to try things in; run: .ci/deps debian: ", err)
	}
	return path
}
