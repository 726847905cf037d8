package e2e

import (
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"lowcap-cdc/deploy/lab"
	"lowcap-cdc/schemas"
)

// registry returns the real schema registry.
func registry(t *testing.T) *lab.Registry {
	t.Helper()
	r, err := shared.registry()
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// ask sends a request to the registry's API and reads the answer into into.
func ask(t *testing.T, method, address, body string, into any) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, address, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/vnd.schemaregistry.v1+json")
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close() //nolint:errcheck // it was only read
	if answer.StatusCode != http.StatusOK {
		t.Fatalf("%s %s: %s", method, address, answer.Status)
	}
	if err := json.NewDecoder(answer.Body).Decode(into); err != nil {
		t.Fatal(err)
	}
}

// values returns the values of the site's committed records as they lie in Kafka, and one content-type of theirs.
func (s *site) values() (values [][]byte, contentType string) {
	s.t.Helper()
	k, err := shared.kafka()
	if err != nil {
		s.t.Fatal(err)
	}
	var names []string
	for _, topic := range topics {
		names = append(names, s.name+"."+topic)
	}
	records, err := lab.ReadCommitted(s.t.Context(), k.Addr(), names...)
	if err != nil {
		s.t.Fatal(err)
	}
	for _, r := range records {
		values = append(values, r.Value)
		for _, h := range r.Headers {
			if h.Key == "content-type" {
				contentType = string(h.Value)
			}
		}
	}
	return values, contentType
}

// TestValueFormats publishes the same life in each format. Whatever lies in Kafka, the reading verbs show the bytes that a
// file has of the same changes, and the whole is numbered and chained.
func TestValueFormats(t *testing.T) {
	for format, begins := range map[string]string{"cloudevents-json": "{c", "json-schema": "\x00{", "avro": "\x00\x06"} {
		t.Run(format, func(t *testing.T) {
			s := newSite(t)
			s.live()
			sink, _ := s.kafka()
			with := []string{"--schema-registry", registry(t).URL(), "--value-format", format}
			s.drain("k", sink, with...)
			s.liveOn()
			s.drain("k", sink, with...)
			values, contentType := s.values()
			for _, value := range values {
				if value[0] != begins[0] || value[5] != begins[1] { // what is behind a frame, or the sixth byte of {"specversion"
					t.Fatalf("%.40q", value)
				}
			}
			if structured := contentType == "application/cloudevents+json"; structured != (format == "cloudevents-json") {
				t.Errorf("content-type is %s", contentType)
			}
			s.checkReaders(sink, len(values), with[:2])
		})
	}
}

// checkReaders asks every verb that reads events. A format need not be named to be read.
func (s *site) checkReaders(sink string, events int, with []string) {
	s.t.Helper()
	lines := strings.Split(strings.TrimSpace(s.ok(sink, "tail", append(with, "--json")...)), "\n")
	if len(lines) != events {
		s.t.Fatalf("tail prints %d events, want %d", len(lines), events)
	}
	streamed(s.t, lines) // the chain holds: these are the bytes that were hashed
	if out := s.ok(sink, "audit", append([]string{"verify"}, with...)...); !strings.Contains(out, "every event once") {
		s.t.Error(out)
	}
	if out := s.ok(sink, "audit", append(with, contract)...); !strings.Contains(out, "trigger=manual blocked_for.s1=") {
		s.t.Error(out)
	}
	if out := s.ok(sink, "status", with...); !strings.Contains(out, "proceeds_usd=150.5") {
		s.t.Error(out)
	}
	dir := filepath.Join(s.t.TempDir(), "copy")
	s.ok(sink, "replay", append(with, "--into", "file:"+dir)...)
	content, err := os.ReadFile(filepath.Join(dir, "events.jsonl"))
	if err != nil || string(content) != strings.Join(lines, "\n")+"\n" {
		s.t.Errorf("%v: the copy in a file has other bytes:\n%s", err, content)
	}
	s.ok(sink, "replay", append(with, "--value-format", "avro", "--into", sink, "--into-prefix", s.name+"copy.")...)
	copied := s.ok(sink, "tail", append(with, "--topic-prefix", s.name+"copy.", "--json")...)
	if copied != string(content) {
		s.t.Errorf("the copy in Avro reads as\n%s\nwant\n%s", copied, content)
	}
}

// TestNotifyReadsAvro delivers an exit from topics in Avro as the JSON that it always is.
func TestNotifyReadsAvro(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.seedPositions(3)
	sink, _ := s.kafka()
	with := []string{"--schema-registry", registry(t).URL(), "--value-format", "avro"}
	s.drain("k", sink, with...)
	r := newReceiver(t, "sesame")
	s.notify(sink, r.URL, append(with, "--secret", "sesame")...)
	s.exit(1)
	s.drain("k", sink, with...)
	r.await(t, 1)
	if got, want := r.bodies[0], s.ok(sink, "tail", append(with, "--json", "--type", "emergency_exit.executed")...); got+"\n" != want {
		t.Errorf("delivered\n%s\nwant\n%s", got, want)
	}
}

// TestSchemasAreRegisteredOnce starts twice with each format: each has a subject for each type, of one version.
func TestSchemasAreRegisteredOnce(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.seedPositions(1)
	sink, _ := s.kafka()
	address := registry(t).URL()
	for _, format := range []string{"cloudevents-json", "json-schema", "avro", "cloudevents-json", "avro"} {
		s.drain("k", sink, "--schema-registry", address, "--value-format", format)
	}
	var subjects []string
	ask(t, http.MethodGet, address+"/subjects", "", &subjects)
	var ours []string
	for _, subject := range subjects {
		if !strings.HasPrefix(subject, s.name+".") {
			continue
		}
		ours = append(ours, subject)
		var versions []int
		ask(t, http.MethodGet, address+"/subjects/"+subject+"/versions", "", &versions)
		if len(versions) != 1 {
			t.Errorf("%s has versions %v", subject, versions)
		}
	}
	if all := strings.Join(ours, " "); len(ours) != 2*len(schemas.Kinds()) ||
		!strings.Contains(all, s.name+".trim-pools-lowcap.v1.TrimPoolOpened") ||
		!strings.Contains(all, s.name+".trim-pools-trim_pool.opened") {
		t.Errorf("%d subjects: %s", len(ours), all)
	}
	if out := s.ok(sink, "init", "--schema-registry", address, "--dry-run"); strings.Count(out, "-- subject ") != len(schemas.Kinds()) {
		t.Error(out)
	}
	if out := s.ok(sink, "check", "--schema-registry", address); !strings.Contains(out, "ok    schema registry") {
		t.Error(out)
	}
}
