#!/usr/bin/env bash
# Debezium in Kafka Connect standalone, tuned for throughput, as a rival for the bench:
#   make bench RIVALS="debezium=deploy/bench/debezium/run.sh"
# It publishes every row as it is, at least once, as plain JSON. Needs Java 17 and Maven.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
jars=${XDG_CACHE_HOME:-$HOME/.cache}/lowcap-cdc/debezium
[ -d "$jars" ] || mvn -q -B -f "$here/pom.xml" dependency:copy-dependencies -DoutputDirectory="$jars" >&2
mkdir -p "$BENCH_DIR"
cat > "$BENCH_DIR/worker.properties" <<EOF
bootstrap.servers=$BENCH_KAFKA
listeners=http://127.0.0.1:0
key.converter=org.apache.kafka.connect.json.JsonConverter
key.converter.schemas.enable=false
value.converter=org.apache.kafka.connect.json.JsonConverter
value.converter.schemas.enable=false
offset.storage.file.filename=$BENCH_DIR/offsets
offset.flush.interval.ms=500
producer.acks=all
producer.batch.size=262144
producer.linger.ms=5
producer.compression.type=lz4
producer.buffer.memory=67108864
EOF
# The heartbeat writes a message, so that the slot also passes WAL in which the tables have no part.
cat > "$BENCH_DIR/connector.properties" <<EOF
name=$BENCH_SLOT
connector.class=io.debezium.connector.postgresql.PostgresConnector
plugin.name=pgoutput
database.hostname=127.0.0.1
database.port=$BENCH_PORT
database.user=postgres
database.dbname=$BENCH_DATABASE
topic.prefix=${BENCH_PREFIX}debezium
slot.name=$BENCH_SLOT
publication.name=$BENCH_PUBLICATION
publication.autocreate.mode=disabled
snapshot.mode=no_data
table.include.list=public.token_timeframe_blocks,public.lowcap_positions
tombstones.on.delete=false
max.batch.size=20480
max.queue.size=81920
poll.interval.ms=10
heartbeat.interval.ms=500
heartbeat.action.query=select pg_logical_emit_message(true, 'heartbeat', '')
topic.creation.default.replication.factor=1
topic.creation.default.partitions=3
EOF
exec java -Xms256m -Xmx1G -XX:+UseG1GC -Dorg.slf4j.simpleLogger.defaultLogLevel=warn -cp "$jars/*" \
	org.apache.kafka.connect.cli.ConnectStandalone "$BENCH_DIR/worker.properties" "$BENCH_DIR/connector.properties"
