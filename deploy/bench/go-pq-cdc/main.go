// Command go-pq-cdc publishes the row changes of a publication with go-pq-cdc-kafka, as run.sh starts it for the bench: at least
// once, each row as JSON, all in one topic.
//
// What it cannot do stays as it is, for the tables are those of every contender. A column that Postgres does not send again
// (TOAST) is missing in the record, unless the table has REPLICA IDENTITY FULL, which makes every update send the whole old row.
// It knows no transactions of Kafka. A row that the library cannot decode is skipped, and told at log level debug only.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strconv"
	"strings"
	"time"

	cdc "github.com/Trendyol/go-pq-cdc-kafka"
	"github.com/Trendyol/go-pq-cdc-kafka/config"
	source "github.com/Trendyol/go-pq-cdc/config"
	"github.com/Trendyol/go-pq-cdc/pq/publication"
	"github.com/Trendyol/go-pq-cdc/pq/slot"
	"github.com/segmentio/kafka-go"
)

const (
	partitions = 3
	// batchRows is what the library's own benchmark has; its default is 2,000.
	batchRows = 10000
	// batchBytes is the default: of the records before their compression, within what a broker takes at once.
	batchBytes = "1mb"
	// drainTicker flushes what waits while a backlog is drained, as in the library's benchmark, and latencyTicker where the
	// bench names no end: nothing but the ticker flushes a batch that is not full.
	drainTicker   = 100 * time.Millisecond
	latencyTicker = time.Millisecond
	// heartbeat must be longer than 300 ms: the slot is told what is confirmed when nothing has come for so long.
	heartbeat = 500 * time.Millisecond
)

func main() {
	if err := run(context.Background()); err != nil {
		fmt.Fprintln(os.Stderr, "go-pq-cdc:", err)
		os.Exit(1)
	}
}

// run publishes until it gets SIGTERM.
func run(ctx context.Context) error {
	topic, brokers := os.Getenv("BENCH_PREFIX")+"rows", strings.Split(os.Getenv("BENCH_KAFKA"), ",")
	if err := createTopic(ctx, topic, brokers); err != nil {
		return fmt.Errorf("create topic %s: %w", topic, err)
	}
	from, err := database()
	if err != nil {
		return err
	}
	ticker := drainTicker
	if os.Getenv("BENCH_UNTIL") == "" {
		ticker = latencyTicker
	}
	connector, err := cdc.NewConnector(ctx, config.Connector{CDC: from, Kafka: config.Kafka{
		Brokers:                     brokers,
		TableTopicMapping:           map[string]string{"public.token_timeframe_blocks": topic, "public.lowcap_positions": topic},
		RequiredAcks:                int(kafka.RequireAll),
		Compression:                 int8(kafka.Snappy), // as the sidecar's
		ProducerBatchSize:           batchRows,
		ProducerBatchBytes:          batchBytes,
		ProducerBatchTickerDuration: ticker,
	}}, publish)
	if err != nil {
		return err
	}
	defer connector.Close()
	connector.Start(ctx)
	return nil
}

// database returns what is read: the bench's slot from its place, without a snapshot. The heartbeat moves the slot past WAL in
// which the tables have no part.
func database() (source.Config, error) {
	port, err := strconv.Atoi(os.Getenv("BENCH_PORT"))
	if err != nil {
		return source.Config{}, fmt.Errorf("BENCH_PORT: %w", err)
	}
	status, err := strconv.Atoi(os.Getenv("BENCH_HTTP"))
	if err != nil {
		return source.Config{}, fmt.Errorf("BENCH_HTTP: %w", err)
	}
	return source.Config{
		Host: "127.0.0.1", Port: port, Username: "postgres", Password: "any", // it wants one, and the server asks for none
		Database:    os.Getenv("BENCH_DATABASE"),
		Publication: publication.Config{Name: os.Getenv("BENCH_PUBLICATION")},
		Slot:        slot.Config{Name: os.Getenv("BENCH_SLOT"), SlotActivityCheckerInterval: 3000},
		Heartbeat:   source.HeartbeatConfig{Table: publication.Table{Name: os.Getenv("BENCH_HEARTBEAT"), Schema: "public"}, Interval: heartbeat},
		Metric:      source.MetricConfig{Port: status},
		Logger:      source.LoggerConfig{LogLevel: slog.LevelError},
	}, nil
}

func createTopic(ctx context.Context, topic string, brokers []string) error {
	client := kafka.Client{Addr: kafka.TCP(brokers...), Timeout: 10 * time.Second}
	answer, err := client.CreateTopics(ctx, &kafka.CreateTopicsRequest{
		Topics: []kafka.TopicConfig{{Topic: topic, NumPartitions: partitions, ReplicationFactor: 1}},
	})
	if err == nil {
		err = answer.Errors[topic]
	}
	if errors.Is(err, kafka.TopicAlreadyExists) {
		return nil
	}
	return err
}

// change is a record's value. UpdatedAt is the row's updated_at in microseconds since 1970, from which the bench counts the
// latency: the library tells when the server sent a row, and not when it was committed. The bench's writers set it in the
// statement that they commit.
type change struct {
	UpdatedAt int64           `json:"ts_us"`
	Operation cdc.MessageType `json:"op"`
	Table     string          `json:"table"`
	Before    map[string]any  `json:"before,omitempty"`
	After     map[string]any  `json:"after,omitempty"`
}

// publish is the library's handler: one record for each row.
func publish(row *cdc.Message) []kafka.Message {
	of := row.NewData
	if row.Type.IsDelete() {
		of = row.OldData
	}
	c := change{Operation: row.Type, Table: row.TableName, Before: row.OldData, After: row.NewData}
	if at, ok := of["updated_at"].(time.Time); ok {
		c.UpdatedAt = at.UnixMicro()
	}
	value, err := json.Marshal(c)
	if err != nil {
		panic(err) // the bench would count too few records
	}
	return []kafka.Message{{Key: key(of), Value: value}}
}

// key keeps the changes of a row in one partition.
func key(row map[string]any) []byte {
	token, _ := row["token_contract"].(string)
	timeframe, _ := row["timeframe"].(string)
	return []byte(token + "/" + timeframe)
}
