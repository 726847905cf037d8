package helm

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestNotifyIsRendered: the objects fit their schemas, and the program takes the file that is in them.
func TestNotifyIsRendered(t *testing.T) {
	objects, wheel := render(t, "notify.yaml", "--show-only", "templates/notify.yaml"), kubernetesSchemas(t)
	for _, version := range kubernetesVersions {
		validate(t, wheel.schema(t, version, "deployment-apps-v1"), "notify.yaml: Deployment", at(t, objects, "Deployment"))
		validate(t, wheel.schema(t, version, "configmap-v1"), "notify.yaml: ConfigMap", at(t, objects, "ConfigMap"))
	}
	if labels := at(t, objects, "Deployment", "spec", "selector", "matchLabels", "app.kubernetes.io/name"); labels != "lowcap-cdc-notify" {
		t.Errorf("the pods are selected as %v, with the sidecar's", labels)
	}
	dir := t.TempDir()
	token, config := filepath.Join(dir, "token"), filepath.Join(dir, "notify.yaml")
	text := strings.ReplaceAll(at(t, objects, "ConfigMap", "data", "notify.yaml").(string), "/etc/lowcap-cdc/notify-secrets/token", token)
	for path, content := range map[string]string{token: "1:t", config: strings.ReplaceAll(text, "https://api.telegram.org", "http://127.0.0.1:1")} {
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	out, err := exec.CommandContext(t.Context(), "go", "run", "lowcap-cdc/cmd/lowcap-cdc", "notify", "--config", config, "--test").CombinedOutput()
	if err == nil || !strings.Contains(string(out), "phone                failed") {
		t.Errorf("%v: %s", err, out)
	}
}
