package notify

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"time"

	"lowcap-cdc/cmd/lowcap-cdc/internal/readable"
	"lowcap-cdc/schemas"
	"lowcap-cdc/sink"
)

// request makes the request that delivers an event.
func (c *Options) request(ctx context.Context, e *sink.Stored, a *schemas.Attributes) (*http.Request, error) {
	to, body, kind := c.To, e.Value, "application/cloudevents+json"
	var err error
	switch c.As {
	case "alertmanager":
		to, kind = strings.TrimSuffix(c.To, "/")+"/api/v2/alerts", "application/json"
		body, err = json.Marshal([]alert{alertOf(e)})
	case "slack":
		kind = "application/json"
		body, err = json.Marshal(map[string]string{"text": slackText(e)})
	}
	if err != nil {
		return nil, err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, to, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	request.Header.Set("Content-Type", kind)
	request.Header.Set("Idempotency-Key", a.ID)
	c.sign(request, body, time.Now())
	return request, nil
}

// sign adds X-Lowcap-Timestamp (seconds since 1970) and X-Lowcap-Signature: sha256= and the hexadecimal HMAC-SHA-256 of
// the timestamp, a dot and the body. A receiver that compares both is safe from forged and from replayed requests.
func (c *Options) sign(request *http.Request, body []byte, now time.Time) {
	if c.Secret == "" {
		return
	}
	stamp := strconv.FormatInt(now.Unix(), 10)
	mac := hmac.New(sha256.New, []byte(c.Secret))
	mac.Write(append([]byte(stamp+"."), body...))
	request.Header.Set("X-Lowcap-Timestamp", stamp)
	request.Header.Set("X-Lowcap-Signature", "sha256="+hex.EncodeToString(mac.Sum(nil)))
}

// alert is an alert of Alertmanager's v2 API. Without an end it is resolved after Alertmanager's resolve_timeout.
type alert struct {
	Labels      map[string]string `json:"labels"`
	Annotations map[string]string `json:"annotations"`
	StartsAt    string            `json:"startsAt"`
}

// alertOf makes an alert of an event. The event's id is a label: two events are two alerts, and one event delivered
// twice is one.
func alertOf(e *sink.Stored) alert {
	l := readable.Describe(e)
	a := alert{StartsAt: l.Time,
		Labels: map[string]string{"alertname": "LowcapCdcEvent", "event": l.Event, "severity": string(l.Severity), "token": l.Token,
			"contract": l.Contract, "timeframe": l.Timeframe, "event_id": l.ID},
		Annotations: map[string]string{"summary": strings.TrimSpace(l.Event + " " + l.Token + " " + l.Timeframe), "description": l.Detail},
	}
	for name, value := range a.Labels {
		if value == "" {
			delete(a.Labels, name)
		}
	}
	return a
}

// slackText makes a message of an event. Slack's own markup is disarmed: a ticker must not ring a channel.
func slackText(e *sink.Stored) string {
	l := readable.Describe(e)
	text := "[" + string(l.Severity) + "] " + strings.TrimSpace(l.Event+" "+l.Token+" "+l.Timeframe) + "\n" + l.Detail + "\n" + l.Time + " " + l.ID
	return strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;").Replace(text)
}
