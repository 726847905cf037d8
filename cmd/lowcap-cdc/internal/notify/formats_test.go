package notify

import (
	"context"
	"encoding/json"
	"testing"

	"lowcap-cdc/sink"
)

func TestSlackTextIsDisarmed(t *testing.T) {
	e := &sink.Stored{Value: []byte(`{"type":"lowcap.emergency_exit.executed.v1","severity":"page","time":"2026-01-01T00:00:00Z","id":"1",
		"data":{"kind":"structural","entity":{"token_ticker":"<!channel> & co","timeframe":"1h"}}}`)}
	a := e.Attributes()
	request, err := (&Options{To: "http://x", As: "slack"}).request(context.Background(), e, &a)
	if err != nil {
		t.Fatal(err)
	}
	var message struct{ Text string }
	if err := json.NewDecoder(request.Body).Decode(&message); err != nil {
		t.Fatal(err)
	}
	if want := "[page] emergency_exit.executed &lt;!channel&gt; &amp; co 1h\nkind=structural\n2026-01-01T00:00:00Z 1"; message.Text != want {
		t.Errorf("%q", message.Text)
	}
}
