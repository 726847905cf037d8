package e2e

import (
	"os/exec"
	"strings"
	"testing"
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
	for _, shell := range []string{"zsh", "fish"} {
		if out, err := exec.CommandContext(t.Context(), shared.binary, "completion", shell).CombinedOutput(); err != nil ||
			!strings.Contains(string(out), "follow") {
			t.Errorf("%s: %v %s", shell, err, out)
		}
	}
}
