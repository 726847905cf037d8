package receiver

import (
	"encoding/json"
	"strings"
	"time"
)

// alertmanager speaks Alertmanager's v2 API. The reference is a label: two events are two alerts, and one event delivered
// twice is one. Without an end an alert is resolved after Alertmanager's resolve_timeout.
type alertmanager struct{ base string }

type alert struct {
	Labels      map[string]string `json:"labels"`
	Annotations map[string]string `json:"annotations"`
	StartsAt    string            `json:"startsAt,omitempty"`
	URL         string            `json:"generatorURL,omitempty"`
}

func (a *alertmanager) isIdempotent() bool { return true }

func (a *alertmanager) post(m *Message, plain bool, now time.Time) (post, error) {
	body, err := json.Marshal([]alert{alertOf(m, plain, now)})
	return post{url: strings.TrimSuffix(a.base, "/") + "/api/v2/alerts", kind: "application/json", body: body}, err
}

func alertOf(m *Message, plain bool, now time.Time) alert {
	of := alert{
		Labels:      map[string]string{"alertname": "LowcapCdcEvent", "severity": string(m.Severity), "event_id": m.Reference},
		Annotations: map[string]string{"summary": m.Title(), "description": m.Text(now)}, URL: m.Link,
	}
	if plain {
		of.Annotations = map[string]string{"summary": m.Plain(now)}
		of.URL = ""
		return of
	}
	if !m.At.IsZero() {
		of.StartsAt = m.At.UTC().Format(time.RFC3339Nano)
	}
	of.label("event", m.event())
	of.label("token", m.Token)
	of.label("contract", m.contract())
	of.label("timeframe", m.Timeframe)
	return of
}

// label sets a label that has a value: an empty one is as none to Alertmanager.
func (a *alert) label(name, value string) {
	if value != "" {
		a.Labels[name] = value
	}
}
