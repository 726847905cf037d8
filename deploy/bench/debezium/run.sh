#!/usr/bin/env bash
# Debezium in Kafka Connect, tuned, as a rival for the bench:
#   make bench RIVALS="debezium=deploy/bench/debezium/run.sh;debezium-eos=deploy/bench/debezium/run.sh exactly-once"
# It publishes every row as it is, as plain JSON: at least once from a standalone worker, and exactly once from a distributed
# one, for Connect offers it only there. It is tuned for throughput, and for latency where the bench names no end. It needs
# Java 17, Maven and curl.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
version=$(sed -n 's/.*debezium-connector-postgres.*<version>\(.*\)<\/version>.*/\1/p' "$here/pom.xml")
jars=${XDG_CACHE_HOME:-$HOME/.cache}/lowcap-cdc/debezium-$version
if [ ! -d "$jars" ]; then
  mvn -q -B -f "$here/pom.xml" dependency:copy-dependencies -DoutputDirectory="$jars.part" >&2
  mv "$jars.part" "$jars"
fi
linger=5 poll=10
[ -n "${BENCH_UNTIL:-}" ] || { linger=0 poll=1; }
mkdir -p "$BENCH_DIR"
cat > "$BENCH_DIR/worker.properties" <<END
bootstrap.servers=$BENCH_KAFKA
listeners=http://127.0.0.1:$BENCH_HTTP
key.converter=org.apache.kafka.connect.json.JsonConverter
key.converter.schemas.enable=false
value.converter=org.apache.kafka.connect.json.JsonConverter
value.converter.schemas.enable=false
offset.flush.interval.ms=500
producer.acks=all
producer.batch.size=262144
producer.linger.ms=$linger
producer.compression.type=lz4
producer.buffer.memory=67108864
END
# The server offers TLS, which Debezium takes where it may; the others are measured without. The heartbeat writes a message, so
# that the slot also passes WAL in which the tables have no part.
cat > "$BENCH_DIR/connector.properties" <<END
name=$BENCH_SLOT
connector.class=io.debezium.connector.postgresql.PostgresConnector
plugin.name=pgoutput
database.hostname=127.0.0.1
database.port=$BENCH_PORT
database.user=postgres
database.dbname=$BENCH_DATABASE
database.sslmode=disable
topic.prefix=${BENCH_PREFIX}debezium
slot.name=$BENCH_SLOT
publication.name=$BENCH_PUBLICATION
publication.autocreate.mode=disabled
snapshot.mode=no_data
table.include.list=public.token_timeframe_blocks,public.lowcap_positions
tombstones.on.delete=false
max.batch.size=20480
max.queue.size=81920
poll.interval.ms=$poll
heartbeat.interval.ms=500
heartbeat.action.query=select pg_logical_emit_message(true, 'heartbeat', '')
topic.creation.default.replication.factor=1
topic.creation.default.partitions=3
END
java=(java -Xms256m -Xmx1G -XX:+UseG1GC -Dorg.slf4j.simpleLogger.defaultLogLevel=warn -cp "$jars/*")
if [ "${1:-}" != exactly-once ]; then
  echo "offset.storage.file.filename=$BENCH_DIR/offsets" >> "$BENCH_DIR/worker.properties"
  exec "${java[@]}" org.apache.kafka.connect.cli.ConnectStandalone "$BENCH_DIR/worker.properties" "$BENCH_DIR/connector.properties"
fi
cat >> "$BENCH_DIR/worker.properties" <<END
group.id=$BENCH_SLOT
config.storage.topic=$BENCH_SLOT-configs
offset.storage.topic=$BENCH_SLOT-offsets
status.storage.topic=$BENCH_SLOT-status
config.storage.replication.factor=1
offset.storage.replication.factor=1
offset.storage.partitions=1
status.storage.replication.factor=1
status.storage.partitions=1
exactly.once.source.support=enabled
END
echo "exactly.once.support=required" >> "$BENCH_DIR/connector.properties"
settings="{$(sed -E 's/^([^=]+)=(.*)$/"\1":"\2"/' "$BENCH_DIR/connector.properties" | paste -sd,)}"
# A distributed worker takes connectors by its HTTP interface only.
(for _ in {1..600}; do
  curl -sf -o /dev/null -X PUT -H 'Content-Type: application/json' -d "$settings" \
    "http://127.0.0.1:$BENCH_HTTP/connectors/$BENCH_SLOT/config" && break
  sleep 0.1
done) &
exec "${java[@]}" org.apache.kafka.connect.cli.ConnectDistributed "$BENCH_DIR/worker.properties"
