package docker

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

	"github.com/twmb/franz-go/pkg/kfake"

	"lowcap-cdc/deploy/lab"
)

// TestImageIsBuiltAndRuns builds the Dockerfile as it stands, and runs the image as its user: it reads a Postgres whose certificate only
// the image's authorities vouch for, its health check is content, and it ends when it is told to. Then the same where nothing can be
// written, as the composition and the chart have it.
func TestImageIsBuiltAndRuns(t *testing.T) {
	e := newEngine(t)
	server, certificate := e.postgres()
	e.build(certificate)
	container := e.buildah("from", "--pull-never", "lowcap-cdc")
	root := e.buildah("mount", container)
	requireStaticAndStamped(t, filepath.Join(root, "lowcap-cdc"))
	if a, b := sum(t, filepath.Join(root, "lowcap-cdc")), sum(t, build(t)); a != b {
		t.Errorf("the image's binary is %x, the build step's %x", a, b)
	}
	broker, err := kfake.NewCluster(kfake.NumBrokers(1)) // what the sidecar says to a broker is tried elsewhere
	if err != nil {
		t.Fatal(err)
	}
	defer broker.Close()
	port, err := lab.FreePort()
	if err != nil {
		t.Fatal(err)
	}
	image := e.image(container)
	settings := []string{"--postgres", strings.Replace(server.DSN("trading"), "sslmode=disable", "sslmode=verify-full", 1),
		"--sink", "kafka://" + broker.ListenAddrs()[0], "--http", "127.0.0.1:" + strconv.Itoa(port)}
	command := append(image.command(), settings...)
	inContainer := func(command ...string) *exec.Cmd { return e.run(container, command...) }
	inReadOnly := func(command ...string) *exec.Cmd { return readOnly(t, root, image, command...) }
	for _, run := range []func(command ...string) *exec.Cmd{inContainer, inReadOnly} {
		c := start(t, run(command...))
		c.until("healthy", func() bool {
			return run(append(image.check(t), "--http", settings[len(settings)-1])...).Run() == nil // at the port that this test chose
		})
		c.until("streaming", func() bool { return strings.Contains(c.said(), `"streaming"`) })
		c.requireUser()
		c.stop()
	}
}

// image is what an image says of itself.
type image struct {
	User                 string
	Env, Entrypoint, Cmd []string
	Healthcheck          struct{ Test []string }
}

// command is what runs when nobody says anything else.
func (i image) command() []string { return append(append([]string{}, i.Entrypoint...), i.Cmd...) }

// check is the health check.
func (i image) check(t *testing.T) []string {
	t.Helper()
	if len(i.Healthcheck.Test) < 2 || i.Healthcheck.Test[0] != "CMD" {
		t.Fatalf("the image's health check is %q", i.Healthcheck.Test)
	}
	return append([]string{}, i.Healthcheck.Test[1:]...)
}

// readOnly starts a program of the image where its files cannot be written: without capabilities, and nothing gives it more.
func readOnly(t *testing.T, root string, i image, command ...string) *exec.Cmd {
	const script = `set -e
mount --bind "$1" "$1"
mount -o remount,bind,ro "$1"
mount -t proc proc "$1/proc"
uid=${2%:*} gid=${2#*:} root=$1
shift 2
exec setpriv --no-new-privs --clear-groups unshare --root="$root" --setgid="$gid" --setuid="$uid" -- "$@"`
	cmd := exec.CommandContext(t.Context(), "unshare", append([]string{"--mount", "sh", "-c", script, "sh", root, i.User}, command...)...)
	cmd.Env = i.Env
	return cmd
}

// container is a program at work.
type container struct {
	t     *testing.T
	cmd   *exec.Cmd
	log   string        // a file
	ended chan struct{} // closed then
}

func start(t *testing.T, cmd *exec.Cmd) *container {
	t.Helper()
	log, err := os.Create(filepath.Join(t.TempDir(), "log"))
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close() //nolint:errcheck // the program has its own
	c := &container{t, cmd, log.Name(), make(chan struct{})}
	cmd.Stdout, cmd.Stderr = log, log
	cmd.Cancel = func() error { // with the test; buildah would leave it behind
		if pid := c.pid(); pid != 0 {
			return syscall.Kill(pid, syscall.SIGKILL)
		}
		return cmd.Process.Kill()
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		cmd.Wait() //nolint:errcheck // it is read from the process
		close(c.ended)
	}()
	t.Cleanup(func() { <-c.ended })
	return c
}

func (c *container) said() string {
	content, _ := os.ReadFile(c.log) //nolint:errcheck // it is there
	return string(content)
}

// pid returns the process of our program, which is what was started or a child of it; 0 when it does not run.
func (c *container) pid() int {
	for pid := c.cmd.Process.Pid; ; {
		program, err := os.Readlink(fmt.Sprintf("/proc/%d/exe", pid))
		if err != nil {
			return 0
		}
		if filepath.Base(program) == "lowcap-cdc" {
			return pid
		}
		child, err := exec.Command("pgrep", "--parent", strconv.Itoa(pid)).Output()
		if err != nil {
			return 0
		}
		if pid, err = strconv.Atoi(last(string(child))); err != nil {
			return 0
		}
	}
}

func (c *container) until(what string, is func() bool) {
	c.t.Helper()
	deadline, tick := time.After(2*time.Minute), time.NewTicker(100*time.Millisecond)
	defer tick.Stop()
	for !is() {
		select {
		case <-tick.C:
		case <-c.ended:
			c.t.Fatalf("%v is not %s: it has ended: %v: %s", c.cmd.Args, what, c.cmd.ProcessState, c.said())
		case <-deadline:
			c.t.Fatalf("%v is not %s: %s", c.cmd.Args, what, c.said())
		}
	}
}

// requireUser looks at the process itself: the user is the image's, and it can do nothing that root can.
func (c *container) requireUser() {
	c.t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", c.pid()))
	if err != nil {
		c.t.Fatal(err)
	}
	for _, line := range []string{"Uid:\t65532\t65532\t65532\t65532\n", "Gid:\t65532\t65532\t65532\t65532\n", "CapEff:\t0000000000000000\n"} {
		if !strings.Contains(string(status), line) {
			c.t.Errorf("no %q in %s", line, status)
		}
	}
}

// stop ends the program as an engine does. The exit code that buildah hands on is the program's.
func (c *container) stop() {
	c.t.Helper()
	if err := syscall.Kill(c.pid(), syscall.SIGTERM); err != nil {
		c.t.Fatal(err)
	}
	select {
	case <-c.ended:
	case <-time.After(30 * time.Second): // what the chart gives it
		c.t.Fatalf("it does not end: %s", c.said())
	}
	if !c.cmd.ProcessState.Success() {
		c.t.Errorf("%v: %s", c.cmd.ProcessState, c.said())
	}
}
