// Program go tells of every event that somebody should know of: go run . BROKERS [--ntfy URL] [--once]
//
// With --ntfy, e.g. https://ntfy.sh/A-NAME-THAT-NOBODY-GUESSES, it also goes to the phones that subscribe to that topic. A first
// start begins with what comes from then on; --once reads everything from the beginning and ends.
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log"
	"net/http"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"lowcap-cdc/schemas"
)

const group = "alerts-go"

func main() {
	once, ntfy := slices.Contains(os.Args, "--once"), ""
	if at := slices.Index(os.Args, "--ntfy"); at > 0 && at+1 < len(os.Args) {
		ntfy = os.Args[at+1]
	}
	if len(os.Args) < 2 {
		log.Fatal("go run . BROKERS [--ntfy URL] [--once]")
	}
	// An error ends the program, and the last events come again with the next start: drop them by their sequence.
	if err := run(context.Background(), strings.Split(os.Args[1], ","), ntfy, once); err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context, brokers []string, ntfy string, once bool) error {
	var topics []string
	for _, topic := range []string{schemas.EntryBlocks, schemas.TrimPools, schemas.EmergencyExits, schemas.Executions, schemas.Positions,
		schemas.Quarantine, schemas.Control} {
		topics = append(topics, "lowcap."+topic)
	}
	client, err := kgo.NewClient(kgo.SeedBrokers(brokers...), kgo.ConsumerGroup(group), kgo.ConsumeTopics(topics...),
		kgo.FetchIsolationLevel(kgo.ReadCommitted()), // without it you also see what was never committed
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.DisableAutoCommit(), kgo.BlockRebalanceOnPoll())
	if err != nil {
		return err
	}
	defer client.CloseAllowingRebalance() // Close would wait for the rebalance that a poll holds up
	if !once {
		if err := beginNow(ctx, kadm.NewClient(client), topics); err != nil {
			return err
		}
	}
	for patience := 30 * time.Second; ; patience = 5 * time.Second {
		fetches := poll(ctx, client, once, patience)
		if err := fetches.Err0(); once && fetches.Empty() && err != nil {
			return nil // nothing has come for a while
		}
		for _, record := range fetches.Records() {
			if err := tell(ctx, ntfy, record); err != nil {
				return err
			}
		}
		if err := client.CommitUncommittedOffsets(ctx); err != nil {
			return err
		}
		client.AllowRebalance()
	}
}

func poll(ctx context.Context, client *kgo.Client, once bool, patience time.Duration) kgo.Fetches {
	if once {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, patience)
		defer cancel()
	}
	return client.PollFetches(ctx)
}

// beginNow makes the place of a new group durable: an event that comes before the first commit would be passed over by a crash.
func beginNow(ctx context.Context, admin *kadm.Client, topics []string) error {
	known, err := admin.FetchOffsets(ctx, group)
	if err != nil || len(known) > 0 {
		return err
	}
	ends, err := admin.ListCommittedOffsets(ctx, topics...)
	if err != nil {
		return err
	}
	return admin.CommitAllOffsets(ctx, group, ends.Offsets())
}

// usd are the fields that hold the amount that an event is about, the best one first.
var usd = []string{"proceeds_usd", "exit_value_usd", "value_usd", "usd", "closed_basis", "usd_basis", "pnl_usd"}

// tell prints an event that is worth it, and sends it to the phone.
func tell(ctx context.Context, ntfy string, record *kgo.Record) error {
	event, err := schemas.Parse(nil, record.Value)
	if err != nil {
		log.Printf("%s/%d at %d was passed over: %v", record.Topic, record.Partition, record.Offset, err)
		return nil
	}
	if event.Severity == schemas.Info {
		return nil
	}
	var fields struct{ Data map[string]json.RawMessage }
	var entity struct {
		Ticker    string `json:"token_ticker"`
		Contract  string `json:"token_contract"`
		Timeframe string `json:"timeframe"`
	}
	json.Unmarshal(record.Value, &fields)          //nolint:errcheck // it was parsed
	json.Unmarshal(fields.Data["entity"], &entity) //nolint:errcheck // an event about no token has none
	token, amount := entity.Ticker, ""
	if token == "" {
		token = entity.Contract
	}
	for _, name := range usd {
		if value := string(fields.Data[name]); amount == "" && value != "" && strings.ContainsAny(value[:1], "-0123456789") {
			amount = value + " USD"
		}
	}
	about := strings.Join(strings.Fields(token+" "+entity.Timeframe+" "+amount), " ")
	fmt.Println(strings.TrimSpace(fmt.Sprint(event.Severity, " ", event.Type, " ", event.ID, " ", about)))
	return push(ctx, ntfy, event.Severity, event.Type.Name()+" "+about)
}

// push sends a message to a topic of ntfy.
func push(ctx context.Context, to string, severity schemas.Severity, text string) error {
	if to == "" {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, to, bytes.NewReader([]byte(text)))
	if err != nil {
		return err
	}
	request.Header.Set("Priority", map[bool]string{true: "5", false: "3"}[severity == schemas.Page])
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close() //nolint:errcheck // the status is what counts
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("ntfy answers %s", response.Status)
	}
	return nil
}
