package main

import (
	"bytes"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"lowcap-cdc/cmd/lowcap-cdc/internal/settings"
)

// TestProbe asks servers that are alive, stuck and gone.
func TestProbe(t *testing.T) {
	status := http.StatusOK
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(status)
		fmt.Fprintf(w, "%s says %d\n", r.URL.Path, status)
	}))
	address := strings.TrimPrefix(server.URL, "http://")
	_, port, _ := strings.Cut(address, ":")
	probe := func(at string) (code int, printed string) {
		var out bytes.Buffer
		code = run([]string{"probe", "--http", at}, &out, &out)
		return code, out.String()
	}
	for _, at := range []string{address, ":" + port, "0.0.0.0:" + port} {
		if code, printed := probe(at); code != settings.ExitDone || printed != "/livez says 200\n" {
			t.Errorf("alive at %s: exit %d, %q", at, code, printed)
		}
	}
	status = http.StatusServiceUnavailable
	if code, printed := probe(address); code != settings.ExitFailed || !strings.Contains(printed, "/livez says 503") {
		t.Errorf("stuck: exit %d, %q", code, printed)
	}
	server.Close()
	if code, printed := probe(address); code != settings.ExitFailed || !strings.Contains(printed, "is lowcap-cdc run --http") {
		t.Errorf("gone: exit %d, %q", code, printed)
	}
	if code, _ := probe("nonsense"); code != settings.ExitUsage {
		t.Errorf("no address: exit %d", code)
	}
}
