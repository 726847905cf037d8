package docker

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"lowcap-cdc/deploy/lab"
)

// engine is buildah with a store of its own.
type engine struct {
	t   *testing.T
	dir string
}

func newEngine(t *testing.T) *engine {
	t.Helper()
	if _, err := exec.LookPath("buildah"); err != nil || os.Getuid() != 0 {
		lab.Missing(t, "only root can build the image here, with buildah; run: .ci/deps buildah")
	}
	e := &engine{t, t.TempDir()}
	e.write("policy.json", `{"default":[{"type":"insecureAcceptAnything"}]}`)
	return e
}

func (e *engine) write(name, content string) string {
	e.t.Helper()
	path := filepath.Join(e.dir, name)
	if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
		e.t.Fatal(err)
	}
	return path
}

func (e *engine) command(args ...string) *exec.Cmd {
	return exec.CommandContext(e.t.Context(), "buildah", append([]string{"--root", filepath.Join(e.dir, "store"),
		"--runroot", filepath.Join(e.dir, "state"), "--storage-driver", "vfs"}, args...)...)
}

// buildah returns the last line of what it printed.
func (e *engine) buildah(args ...string) string {
	e.t.Helper()
	return last(output(e.t, e.command(args...)))
}

func last(text string) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	return lines[len(lines)-1]
}

func output(t *testing.T, cmd *exec.Cmd) string {
	t.Helper()
	var complaint bytes.Buffer
	cmd.Stderr = &complaint
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s: %v: %s%s", strings.Join(cmd.Args, " "), err, &complaint, out)
	}
	return strings.TrimSpace(string(out))
}

var builder = regexp.MustCompile(`(?m)^FROM .*\b(golang:([\d.]+)\S*) AS build$`)

// build makes an image of the name that the Dockerfile builds on, for no registry is reached from here, and then the image. Modules and
// what was compiled already are this machine's.
func (e *engine) build(authority string) {
	e.t.Helper()
	dockerfile, err := os.ReadFile("Dockerfile")
	if err != nil {
		e.t.Fatal(err)
	}
	from := builder.FindStringSubmatch(string(dockerfile))
	if from == nil {
		e.t.Fatal("the Dockerfile builds on no image of Go")
	}
	base := e.buildah("from", "scratch")
	e.buildah("add", "--quiet", base, lab.DebianArchive(e.t), "/")
	e.trust(filepath.Join(e.buildah("mount", base), "etc/ssl/certs/ca-certificates.crt"), authority)
	e.buildah("config", "--env", "PATH=/usr/local/go/bin:/usr/bin:/bin", "--env", "GOPATH=/go", "--env", "GOTOOLCHAIN=local",
		"--env", "GOPROXY=off", base)
	e.buildah("commit", "--quiet", "--rm", base, from[1])
	output(e.t, exec.CommandContext(e.t.Context(), "go", "mod", "download"))
	e.buildah("bud", "--isolation", "chroot", "--pull-never", "--format", "docker", "--signature-policy", filepath.Join(e.dir, "policy.json"),
		"--volume", e.goEnv("GOROOT", "go"+from[2])+":/usr/local/go:ro", "--volume", e.goEnv("GOMODCACHE", "")+":/go/pkg/mod",
		"--volume", e.goEnv("GOCACHE", "")+":/root/.cache/go-build", "--build-arg", "VERSION="+testVersion,
		"--ignorefile", "Dockerfile.dockerignore", "--file", "Dockerfile", "--tag", "lowcap-cdc", "../..")
}

// goEnv asks a toolchain of Go, or the one at hand.
func (e *engine) goEnv(name, toolchain string) string {
	e.t.Helper()
	cmd := exec.CommandContext(e.t.Context(), "go", "env", name)
	if toolchain != "" {
		cmd.Env = append(os.Environ(), "GOTOOLCHAIN="+toolchain)
	}
	return output(e.t, cmd)
}

// trust adds a certificate to those that come with the base image.
func (e *engine) trust(bundle, authority string) {
	e.t.Helper()
	usual, errUsual := os.ReadFile(bundle)
	own, errOwn := os.ReadFile(authority)
	if errUsual != nil || errOwn != nil || bytes.Count(usual, []byte("BEGIN CERTIFICATE")) < 50 {
		e.t.Fatalf("the base image has no certificates: %v, %v", errUsual, errOwn)
	}
	if err := os.WriteFile(bundle, append(usual, own...), 0o644); err != nil {
		e.t.Fatal(err)
	}
}

// postgres starts a server with rows and a certificate that nobody vouches for but the image.
func (e *engine) postgres() (server *lab.Postgres, certificate string) {
	e.t.Helper()
	server, err := lab.StartPostgres(e.t.Context(), "fsync=off")
	if err != nil {
		e.t.Fatal(err)
	}
	e.t.Cleanup(func() { server.Close() }) //nolint:errcheck // the test is over
	conn, err := server.CreateSource(e.t.Context(), "trading")
	if err != nil {
		e.t.Fatal(err)
	}
	defer conn.Close(e.t.Context()) //nolint:errcheck // the server goes too
	certificate, key := filepath.Join(server.Data(), "server.crt"), filepath.Join(server.Data(), "server.key")
	output(e.t, exec.CommandContext(e.t.Context(), "openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
		"-days", "1", "-subj", "/CN=lab", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", key, "-out", certificate))
	output(e.t, exec.CommandContext(e.t.Context(), "chown", "--reference="+server.Data(), key, certificate))
	for _, sql := range []string{"alter system set ssl = on", "select pg_reload_conf()"} {
		if _, err := conn.Exec(e.t.Context(), sql); err != nil {
			e.t.Fatal(err)
		}
	}
	if err := lab.SeedPositions(e.t.Context(), conn, 10); err != nil {
		e.t.Fatal(err)
	}
	return server, certificate
}

// run starts a program in a container, as the image's user and with its environment.
func (e *engine) run(container string, command ...string) *exec.Cmd {
	return e.command(append([]string{"run", "--isolation", "chroot", container, "--"}, command...)...)
}

func (e *engine) image(container string) image {
	e.t.Helper()
	var said struct{ Docker struct{ Config image } }
	if err := json.Unmarshal([]byte(output(e.t, e.command("inspect", container))), &said); err != nil {
		e.t.Fatal(err)
	}
	return said.Docker.Config
}
