package notify

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"lowcap-cdc/cmd/lowcap-cdc/internal/readable"
)

// longestSaid is how many bytes of a message are sent.
const longestSaid = 2000

// Say posts one message that belongs to no event, once: what another verb has found and somebody is to be woken for.
func Say(ctx context.Context, to *Options, what, detail string) error {
	detail = readable.Cut(readable.Printable(detail), longestSaid)
	now := time.Now().UTC()
	address, message := to.To, any(map[string]string{"event": what, "severity": "page", "detail": detail, "time": now.Format(time.RFC3339)})
	switch to.As {
	case "alertmanager":
		address = strings.TrimSuffix(to.To, "/") + "/api/v2/alerts"
		message = []alert{{StartsAt: now.Format(time.RFC3339), Labels: map[string]string{"alertname": "LowcapCdcAudit", "event": what, "severity": "page"},
			Annotations: map[string]string{"summary": what, "description": detail}}}
	case "slack":
		message = map[string]string{"text": strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;").Replace("[page] " + what + "\n" + detail)}
	}
	body, err := json.Marshal(message)
	if err != nil {
		return err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, address, bytes.NewReader(body))
	if err != nil {
		return err
	}
	request.Header.Set("Content-Type", "application/json")
	response, err := (&http.Client{Timeout: postWithin}).Do(request)
	if err != nil {
		var failed *url.Error
		if errors.As(err, &failed) {
			err = failed.Err // without the URL, which may be the secret
		}
		return err
	}
	defer response.Body.Close() //nolint:errcheck // the status is what counts
	if response.StatusCode/100 != 2 {
		return fmt.Errorf("the receiver answers %s", response.Status)
	}
	return nil
}
