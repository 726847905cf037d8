package receiver

import (
	"encoding/json"
	"time"

	"lowcap-cdc/schemas"
)

const (
	opsgenieMessage     = 130   // characters (docs.opsgenie.com, alert API)
	opsgenieDescription = 15000 // characters
	opsgenieAlias       = 512   // characters
)

// opsgenie speaks Opsgenie's alert API, https://api.opsgenie.com/v2/alerts, and that of its successor Jira Service
// Management, https://api.atlassian.com/jsm/ops/integration/v2/alerts. A second alert with the same alias is counted on
// the first one.
type opsgenie struct{ url, key string }

func (o *opsgenie) isIdempotent() bool { return true }

func (o *opsgenie) post(m *Message, plain bool, now time.Time) (post, error) {
	alert := map[string]any{"message": firstRunes(m.Title(), opsgenieMessage), "alias": shortReference(m.Reference, opsgenieAlias),
		"source": "lowcap-cdc", "priority": map[schemas.Severity]string{schemas.Page: "P1", schemas.Warn: "P3"}[m.Severity]}
	if alert["priority"] == "" {
		alert["priority"] = "P5"
	}
	if plain {
		alert["message"] = firstRunes(m.Plain(now), opsgenieMessage)
	} else {
		alert["description"] = firstRunes(m.Text(now), opsgenieDescription)
	}
	body, err := json.Marshal(alert)
	return post{url: o.url, kind: "application/json", body: body, header: map[string]string{"Authorization": "GenieKey " + o.key}}, err
}
