package e2e

import (
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"lowcap-cdc/deploy/lab"
)

// TestBashCompletion completes in a real bash.
func TestBashCompletion(t *testing.T) {
	for line, want := range map[string]string{"lowcap-cdc ta": "tail", "lowcap-cdc tail --fol": "--follow", "lowcap-cdc audit ver": "verify", "lowcap-cdc run --kafka-ce": "--kafka-cert",
		"lowcap-cdc run --log-level de": "debug", "lowcap-cdc run --log-level = de": "debug", "lowcap-cdc audit WIF --format c": "csv",
		"lowcap-cdc tail --type emergency_exit.ex": "emergency_exit.executed",
		"lowcap-cdc run --kafka-ca x":              "", "lowcap-cdc completion f": "fish", "lowcap-cdc --vers": "--version"} {
		script := `eval "$(` + shared.binary + ` completion bash)"; COMP_WORDS=(` + line + `); COMP_CWORD=$((${#COMP_WORDS[@]}-1)); _lowcap_cdc; echo "${COMPREPLY[@]}"`
		out, err := exec.CommandContext(t.Context(), "bash", "-c", script).CombinedOutput()
		if got := strings.TrimSpace(string(out)); err != nil || got != want {
			t.Errorf("%s: %q, want %q (%v)", line, got, want, err)
		}
	}
}

// completions are lines that have one continuation, in every shell.
var completions = map[string]string{"ta": "tail", "tail --fol": "--follow", "audit ver": "verify", "run --kafka-ce": "--kafka-cert",
	"run --log-level de": "debug", "audit WIF --format c": "csv", "tail --type emergency_exit.ex": "emergency_exit.executed",
	"completion f": "fish", "--vers": "--version"}

// zshScript types each of its arguments and the tab key into an interactive zsh, and prints what the line is then.
const zshScript = `zmodload zsh/zpty
zpty shell zsh -f -i
zpty -w shell "PROMPT=; autoload -U compinit && compinit -D -u; source <(lowcap-cdc completion zsh)
  show() { print -r -- \"<\$BUFFER>\"; BUFFER=; }; zle -N show; bindkey '^T' show; print re''ady"
zpty -r -m shell out '*ready*'
for line in "$@"; do
  zpty -w -n shell "$line"$'\t\x14'
  zpty -r -m shell out '*<*>*'
  print -r -- "${${out##*<}%%>*}"
done`

// TestZshCompletion completes in a real zsh.
func TestZshCompletion(t *testing.T) {
	lines := slices.Sorted(maps.Keys(completions))
	args := []string{"-f", "-c", zshScript, "zsh"}
	for _, line := range lines {
		args = append(args, "lowcap-cdc "+line)
	}
	got := strings.Split(strings.TrimSpace(inShell(t, "zsh", args...)), "\n")
	for i, line := range lines {
		want := "lowcap-cdc " + line[:strings.LastIndex(line, " ")+1] + completions[line]
		if i >= len(got) || strings.TrimSpace(got[i]) != want {
			t.Fatalf("%s: %q, want %q", line, got, want)
		}
	}
}

// TestFishCompletion completes in a real fish.
func TestFishCompletion(t *testing.T) {
	for line, want := range completions {
		out := inShell(t, "fish", "--no-config", "-c", "lowcap-cdc completion fish | source; complete -C 'lowcap-cdc "+line+"'")
		if got, _, _ := strings.Cut(strings.TrimSpace(out), "\t"); got != want || strings.Count(out, "\n") != 1 {
			t.Errorf("%s: %q, want %q", line, out, want)
		}
	}
}

// inShell runs a shell that knows the binary by its name.
func inShell(t *testing.T, shell string, args ...string) string {
	t.Helper()
	if _, err := exec.LookPath(shell); err != nil {
		lab.Missing(t, err, "; run: .ci/deps shells")
	}
	bin := t.TempDir()
	if err := os.Symlink(shared.binary, filepath.Join(bin, "lowcap-cdc")); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), shell, args...)
	cmd.Env = append(os.Environ(), "PATH="+bin+":"+os.Getenv("PATH"), "HOME="+bin)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v: %s", shell, err, out)
	}
	return string(out)
}
