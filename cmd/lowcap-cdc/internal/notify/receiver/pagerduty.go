package receiver

import (
	"encoding/json"
	"strings"
	"time"

	"lowcap-cdc/schemas"
)

const (
	pagerdutySummary = 1024 // characters (developer.pagerduty.com, PD-CEF)
	pagerdutyKey     = 255  // characters of a dedup_key
)

// pagerduty speaks Events API v2. A second event with the same dedup_key is added to the first one's alert.
type pagerduty struct{ base, key string }

func (p *pagerduty) isIdempotent() bool { return true }

func (p *pagerduty) post(m *Message, plain bool, now time.Time) (post, error) {
	payload := map[string]any{"summary": firstRunes(m.Title(), pagerdutySummary), "source": "lowcap-cdc",
		"severity": pagerdutySeverity(m.Severity)}
	event := map[string]any{"routing_key": p.key, "event_action": "trigger",
		"dedup_key": shortReference(m.Reference, pagerdutyKey), "payload": payload}
	if plain {
		payload["summary"] = m.Plain(now)
	} else {
		details := make(map[string]string)
		for _, f := range m.facts(now) {
			details[f.Name] = f.Value
		}
		payload["custom_details"] = details
		if !m.At.IsZero() {
			payload["timestamp"] = m.At.UTC().Format(time.RFC3339Nano)
		}
		if m.Link != "" {
			event["links"] = []map[string]string{{"href": m.Link, "text": "lowcap-cdc"}}
		}
	}
	body, err := json.Marshal(event)
	return post{url: strings.TrimSuffix(p.base, "/") + "/v2/enqueue", kind: "application/json", body: body}, err
}

func pagerdutySeverity(s schemas.Severity) string {
	switch s {
	case schemas.Page:
		return "critical"
	case schemas.Warn:
		return "warning"
	}
	return "info"
}
