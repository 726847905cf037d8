package release

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// stranger has a Debian with nothing of ours, but for a release in /dist and keys in /keys.
type stranger struct {
	t      *testing.T
	debian string
}

func (s *stranger) path(name string) string { return filepath.Join(s.debian, name) }

// sh runs a line in the Debian, and returns what it printed and what it complained of.
func (s *stranger) sh(line string) (out, complaint string, err error) {
	s.t.Helper()
	cmd := exec.CommandContext(s.t.Context(), "chroot", s.debian, "/bin/sh", "-c", line)
	cmd.Env, cmd.Dir = []string{"PATH=/usr/local/bin:/usr/bin:/bin"}, "/"
	var said, complained bytes.Buffer
	cmd.Stdout, cmd.Stderr = &said, &complained
	err = cmd.Run()
	return said.String(), complained.String(), err
}

// installs takes the release from a directory, and from a server.
func (s *stranger) installs() {
	server := httptest.NewServer(http.FileServer(http.Dir(s.path("dist"))))
	defer server.Close()
	for _, line := range []string{
		"sh /dist/install.sh --key /keys/release.pub",
		"cat /keys/other.pub /keys/release.pub > /keys/both && sh /dist/install.sh --key /keys/both --to /opt/bin --version " + version,
		"cd /keys && cp /dist/install.sh . && sh install.sh --key release.pub --from " + server.URL + "/ --to /srv",
	} {
		out, complaint, err := s.sh(line)
		if err != nil || complaint != "" || !strings.Contains(out, version) || !strings.Contains(out, "ED25519 key SHA256:") {
			s.t.Errorf("%s: %v: %s%s", line, err, complaint, out)
		}
	}
	for _, dir := range []string{"/usr/local/bin", "/opt/bin", "/srv"} {
		out, complaint, err := s.sh("cd " + dir + " && ls -A && ./lowcap-cdc version && ./lowcap-parquet -h")
		if err != nil || !strings.HasPrefix(out, "lowcap-cdc\nlowcap-parquet\nlowcap-cdc "+version+" (") {
			s.t.Errorf("in %s: %v: %s%s", dir, err, out, complaint)
		}
	}
}

// refusals are what a stranger may meet: what was done to a copy of the release, and what one line says of it.
var refusals = []struct {
	name, says string
	spoil      func(s *stranger, dir string)
	options    string
}{
	{name: "a changed program", says: "is not the file that was signed", spoil: func(s *stranger, dir string) {
		s.change(dir, "lowcap-cdc-"+here, func(b string) string { return b[:100] + "x" + b[101:] })
	}},
	{name: "a program cut short", says: "is not the file that was signed", spoil: func(s *stranger, dir string) {
		s.change(dir, "lowcap-parquet-"+here, func(b string) string { return b[:len(b)/2] })
	}},
	{name: "a program with its checksum", says: "is not signed with the key", spoil: func(s *stranger, dir string) {
		s.change(dir, "lowcap-cdc-"+here, func(string) string { return "#!/bin/sh\n" })
		s.relist(dir)
	}},
	{name: "a checksum", says: "is not signed with the key", spoil: func(s *stranger, dir string) {
		s.change(dir, "SHA256SUMS", func(b string) string { return strings.Replace(b, "  lowcap-cdc-"+here, "0  lowcap-cdc-"+here, 1) })
	}},
	{name: "no signature", says: "no SHA256SUMS.sig in", spoil: func(s *stranger, dir string) { s.remove(dir, "SHA256SUMS.sig") }},
	{name: "an empty signature", says: "is not signed with the key", spoil: func(s *stranger, dir string) {
		s.change(dir, "SHA256SUMS.sig", func(string) string { return "" })
	}},
	{name: "no checksums", says: "no SHA256SUMS in", spoil: func(s *stranger, dir string) { s.remove(dir, "SHA256SUMS") }},
	{name: "no program", says: "no lowcap-cdc-" + here + " in", spoil: func(s *stranger, dir string) { s.remove(dir, "lowcap-cdc-"+here) }},
	{name: "another's signature", says: "is not signed with the key", spoil: func(s *stranger, dir string) {
		s.sign(dir, "other", "lowcap-cdc-release")
	}},
	{name: "a signature for something else", says: "is not signed with the key", spoil: func(s *stranger, dir string) {
		s.sign(dir, "release", "git")
	}},
	{name: "a list without the program", says: "does not name lowcap-parquet-" + here + " exactly once", spoil: func(s *stranger, dir string) {
		s.change(dir, "SHA256SUMS", func(b string) string { return strings.ReplaceAll(b, "lowcap-parquet-"+here+"\n", "lowcap-parquet\n") })
		s.sign(dir, "release", "lowcap-cdc-release")
	}},
	{name: "a list with the program twice", says: "exactly once", spoil: func(s *stranger, dir string) {
		s.change(dir, "SHA256SUMS", func(b string) string { return b + b })
		s.sign(dir, "release", "lowcap-cdc-release")
	}},
	{name: "another platform's program", says: "does not start here", spoil: func(s *stranger, dir string) {
		foreign := read(s.t, filepath.Join(dir, "lowcap-cdc-darwin-arm64"))
		s.change(dir, "lowcap-cdc-"+here, func(string) string { return foreign })
		s.relist(dir)
		s.sign(dir, "release", "lowcap-cdc-release")
	}},
	{name: "an older release", says: "the release is " + version + ", not v1.2.4", options: " --version v1.2.4"},
	{name: "a key that is private", says: "holds no public key", options: " --key /keys/release"},
	{name: "a key that is not there", says: "holds no public key", options: " --key /keys/nobody"},
	{name: "no key", says: "which key do you trust?", options: " --key ''"},
	{name: "a directory that takes nothing", says: "cannot make /dist/VERSION/bin", options: " --to /dist/VERSION/bin"},
	{name: "a server that is not there", says: "no SHA256SUMS in", options: " --from http://127.0.0.1:1"},
	{name: "no ssh-keygen", says: "ssh-keygen is missing", spoil: func(s *stranger, _ string) {
		must(s.t, os.Rename(s.path("usr/bin/ssh-keygen"), s.path("usr/bin/away")))
		s.t.Cleanup(func() { must(s.t, os.Rename(s.path("usr/bin/away"), s.path("usr/bin/ssh-keygen"))) })
	}},
	{name: "an old ssh-keygen", says: "OpenSSH 8.1 can", spoil: func(s *stranger, _ string) {
		write(s.t, s.path("usr/local/bin/ssh-keygen"), "#!/bin/sh\necho 'unknown option -- Y' >&2\nexit 1\n")
		must(s.t, os.Chmod(s.path("usr/local/bin/ssh-keygen"), 0o755))
		s.t.Cleanup(func() { must(s.t, os.Remove(s.path("usr/local/bin/ssh-keygen"))) })
	}},
}

// refuses tries each refusal: one line, and what was installed before is as it was.
func (s *stranger) refuses() {
	const old = "#!/bin/sh\necho old\n"
	for _, r := range refusals {
		s.t.Run(r.name, func(t *testing.T) {
			s := &stranger{t, s.debian}
			dir := s.copied()
			if r.spoil != nil {
				r.spoil(s, dir)
			}
			must(t, os.MkdirAll(s.path("old"), 0o755))
			write(t, s.path("old/lowcap-cdc"), old)
			line := "sh /copy/install.sh --key /keys/release.pub --to /old" + r.options
			out, complaint, err := s.sh(line)
			if err == nil || out != "" || strings.Count(complaint, "\n") != 1 || !strings.HasPrefix(complaint, "install.sh: ") || !strings.Contains(complaint, r.says) {
				t.Errorf("%v: %s%s", err, out, complaint)
			}
			files, err := os.ReadDir(s.path("old"))
			must(t, err)
			if len(files) != 1 || read(t, s.path("old/lowcap-cdc")) != old {
				t.Errorf("it has left %v", files)
			}
		})
	}
}

// copied makes /copy the release under other names of the same files.
func (s *stranger) copied() (dir string) {
	s.t.Helper()
	dir = s.path("copy")
	must(s.t, os.RemoveAll(dir))
	must(s.t, os.Mkdir(dir, 0o755))
	files, err := os.ReadDir(s.path("dist"))
	must(s.t, err)
	for _, f := range files {
		must(s.t, os.Link(filepath.Join(s.path("dist"), f.Name()), filepath.Join(dir, f.Name())))
	}
	return dir
}

func (s *stranger) remove(dir, name string) { must(s.t, os.Remove(filepath.Join(dir, name))) }

func (s *stranger) change(dir, name string, to func(string) string) {
	s.t.Helper()
	path := filepath.Join(dir, name)
	before := read(s.t, path)
	after := to(before)
	if after == before {
		s.t.Fatalf("%s was not changed", name)
	}
	write(s.t, path, after)
}

// relist makes the checksums fit the files again.
func (s *stranger) relist(dir string) {
	s.t.Helper()
	s.remove(dir, "SHA256SUMS")
	run(s.t, "sh", "-c", "cd "+dir+" && sha256sum VERSION lowcap-*-"+here+" > SHA256SUMS")
}

func (s *stranger) sign(dir, key, purpose string) {
	s.t.Helper()
	s.remove(dir, "SHA256SUMS.sig")
	run(s.t, "ssh-keygen", "-q", "-Y", "sign", "-f", filepath.Join(s.debian, "keys", key), "-n", purpose, filepath.Join(dir, "SHA256SUMS"))
}
