package lab

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// bootScript makes a machine of its own out of this one: init is systemd, with an empty /run and with its own changes to
// /etc, /usr/local, /var/lib and the temporary directories. Of what systemd starts early only the journal is wanted.
const bootScript = `
set -e
for base in /sys/fs/cgroup/systemd /sys/fs/cgroup; do [ -e $base/cgroup.procs ] && break; done
mkdir -p $base/$1 && echo $$ > $base/$1/cgroup.procs
shift
exec unshare "$@" --fork --pid --mount --ipc --uts --mount-proc --kill-child=KILL sh -c '
set -e
mount --make-rprivate /
mount -t tmpfs tmpfs /run
for dir in etc usr/local var/lib var/tmp tmp; do
  mkdir -p /run/overlay/$dir/upper /run/overlay/$dir/work
  mount -t overlay overlay -o lowerdir=/$dir,upperdir=/run/overlay/$dir/upper,workdir=/run/overlay/$dir/work /$dir
done
mkdir -p /run/systemd/system
for unit in /lib/systemd/system/sysinit.target.wants/* /etc/systemd/system/sysinit.target.wants/* \
  /etc/systemd/system/network-online.target.wants/*; do
  case $unit in *journald*|*"*") ;; *) ln -sf /dev/null "/run/systemd/system/${unit##*/}" ;; esac
done
printf "[Unit]\nDescription=nothing but what is started by hand\n" > /run/systemd/system/lab.target
container=lxc exec /lib/systemd/systemd --system --unit=lab.target --log-target=null --show-status=no
'`

// Host is a systemd that was booted for a test. Everything that runs in it sees this machine's files.
type Host struct {
	t    testing.TB
	init string // its process id, as seen from here
	said *strings.Builder
}

// Boot starts a machine, which ends with the test. It shares this machine's network, unless it is told to have more
// namespaces of its own, as unshare names them: --net.
func Boot(t testing.TB, namespaces ...string) *Host {
	t.Helper()
	if os.Getuid() != 0 && os.Getenv("CI") == "" {
		Missing(t, "only root can boot a systemd of its own")
	}
	name := fmt.Sprintf("lowcap-cdc-test-%d", os.Getpid())
	cmd := exec.Command("sh", append([]string{"-c", bootScript, "sh", name}, namespaces...)...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM}
	h := &Host{t: t, said: new(strings.Builder)}
	cmd.Stdout, cmd.Stderr = h.said, h.said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Kill() //nolint:errcheck // it may have ended
		cmd.Wait()         //nolint:errcheck // it was killed
		removeGroups(name)
	})
	h.Until("systemd to boot", func() bool {
		child, err := exec.Command("pgrep", "--parent", strconv.Itoa(cmd.Process.Pid)).Output()
		if err != nil {
			return false // it has not forked yet
		}
		h.init = strings.TrimSpace(string(child))
		_, err = h.Try("systemctl", "show", "--property", "Version")
		return err == nil
	})
	return h
}

// removeGroups removes the control groups that the machine's systemd has made; the kernel does it for nobody.
func removeGroups(name string) {
	roots, _ := filepath.Glob("/sys/fs/cgroup/*/" + name)
	for _, root := range append(roots, "/sys/fs/cgroup/"+name) {
		exec.Command("find", root, "-depth", "-type", "d", "-exec", "rmdir", "{}", ";").Run() //nolint:errcheck // a leftover is empty
	}
}

// Command returns a program that will run inside the machine.
func (h *Host) Command(args ...string) *exec.Cmd {
	all := append([]string{"--target", h.init, "--mount", "--pid", "--ipc", "--uts", "--net", "--"}, args...)
	return exec.CommandContext(h.t.Context(), "nsenter", all...)
}

// Try runs a program inside the machine and returns what it printed.
func (h *Host) Try(args ...string) (string, error) {
	out, err := h.Command(args...).CombinedOutput()
	return strings.TrimSpace(string(out)), err
}

// Run is Try for what must work.
func (h *Host) Run(args ...string) string {
	h.t.Helper()
	out, err := h.Try(args...)
	if err != nil {
		journal, _ := h.Try("journalctl", "--no-pager", "--output=cat", "--unit=lowcap-cdc", "--lines=20")
		h.t.Fatalf("%s: %v: %s\n%s", strings.Join(args, " "), err, out, journal)
	}
	return out
}

// Property returns what systemd says of the unit lowcap-cdc.
func (h *Host) Property(name string) string {
	h.t.Helper()
	return h.Run("systemctl", "show", "--property", name, "--value", "lowcap-cdc")
}

// Until waits for a condition, for a minute.
func (h *Host) Until(what string, met func() bool) {
	h.t.Helper()
	deadline, tick := time.After(3*time.Minute), time.NewTicker(100*time.Millisecond)
	defer tick.Stop()
	for !met() {
		select {
		case <-tick.C:
		case <-deadline:
			journal, _ := h.Try("journalctl", "--no-pager", "--output=cat", "--lines=60", "--grep", "level|ystemd|lowcap-cdc.service")
			h.t.Fatalf("waited in vain for %s\n%s%s\n%s", what, h.said, journal,
				h.Run("systemctl", "show", "lowcap-cdc", "-p", "NRestarts,StatusText,MainPID,ActiveState,SubState,Result"))
		}
	}
}
