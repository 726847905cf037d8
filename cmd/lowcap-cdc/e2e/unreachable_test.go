package e2e

import (
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
)

// TestHostWithoutIPv6: the database has only an IPv6 address, and this host has no network that reaches one. It is said, with
// the provider's way out.
func TestHostWithoutIPv6(t *testing.T) {
	t.Parallel()
	for host, want := range map[string]string{"db.example.com": "give this host IPv6, or the server an IPv4 address", "db.abcdefgh.supabase.co": "IPv4 add-on"} {
		cmd := exec.CommandContext(t.Context(), shared.binary, "check", "--sink", "stdout:", "--postgres",
			"postgres://cdc@"+host+"/trading?hostaddr=2001:db8::1")
		cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET}
		if os.Getuid() != 0 {
			cmd.SysProcAttr.Cloneflags |= syscall.CLONE_NEWUSER
		}
		out, _ := cmd.CombinedOutput() // its exit code says no more
		if !strings.Contains(string(out), "only an IPv6 address") || !strings.Contains(string(out), want) {
			t.Errorf("%s: no %q: %s", host, want, out)
		}
	}
}
