package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	_ "embed" // the consumer
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/twmb/franz-go/pkg/kgo"
)

//go:embed ReadCommitted.java
var readCommittedJava []byte

// javaDisagrees reads the topics with Kafka's own Java client too, and counts the records that only one of the two
// clients has.
func javaDisagrees(ctx context.Context, w *world, committed map[string]bool) (int, error) {
	source := filepath.Join(w.dir, "ReadCommitted.java")
	if err := os.WriteFile(source, readCommittedJava, 0o600); err != nil {
		return 0, err
	}
	cmd := w.kafka.Brokers[0].Program(ctx, source, append([]string{strings.Join(w.brokers, ",")}, topics()...)...)
	var complaints bytes.Buffer
	cmd.Stderr = &complaints
	out, err := cmd.Output()
	if err != nil {
		return 0, fmt.Errorf("read with the Java client: %w: %s", err, complaints.Bytes())
	}
	both, only := 0, 0
	for lines := bufio.NewScanner(bytes.NewReader(out)); lines.Scan(); {
		if committed[lines.Text()] {
			both++
		} else {
			only++
		}
	}
	return only + len(committed) - both, nil
}

// line is a record as the Java program prints it.
func line(r *kgo.Record) string {
	digest := sha256.Sum256(r.Value)
	return fmt.Sprintf("%s %d %d %s", r.Topic, r.Partition, r.Offset, hex.EncodeToString(digest[:]))
}
