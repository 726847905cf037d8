"""Prints every event that somebody should know of, from topics with a schema registry: alerts.py BROKERS REGISTRY avro|json-schema [--once]."""
import sys

from confluent_kafka import Consumer, KafkaError, TopicPartition
from confluent_kafka.schema_registry import SchemaRegistryClient, topic_record_subject_name_strategy
from confluent_kafka.schema_registry.avro import AvroDeserializer
from confluent_kafka.schema_registry.json_schema import JSONDeserializer
from confluent_kafka.serialization import MessageField, SerializationContext

PREFIX = "lowcap."
TOPICS = ["entry-blocks", "trim-pools", "emergency-exits", "executions", "positions", "quarantine", "control"]


def main(brokers, registry, value_format, once):
    client = SchemaRegistryClient({"url": registry})
    strategy = {"subject.name.strategy": topic_record_subject_name_strategy}
    if value_format == "avro":
        deserialize = AvroDeserializer(client, conf=strategy)
    else:
        deserialize = JSONDeserializer(None, schema_registry_client=client, conf={**strategy, "validate": True})
    consumer = Consumer({
        "bootstrap.servers": brokers,
        "group.id": "alerts-" + value_format,
        "isolation.level": "read_committed",  # without it you also see what was never committed
        "auto.offset.reset": "earliest",
        "enable.auto.commit": False,
        "enable.partition.eof": once,  # to stop at the end, for tests
    })
    consumer.subscribe([PREFIX + topic for topic in TOPICS])
    ended = set()
    while not (once and ended and ended == {(p.topic, p.partition) for p in consumer.assignment()}):
        message = consumer.poll(1.0)
        if message is None:
            continue
        if message.error():
            if message.error().code() != KafkaError._PARTITION_EOF:
                raise SystemExit(f"read: {message.error()}")
            ended.add((message.topic(), message.partition()))
            continue
        event = deserialize(message.value(), SerializationContext(message.topic(), MessageField.VALUE))
        if event["severity"] != "info":
            print(event["severity"], event["type"], event["id"])
        consumer.commit(offsets=[TopicPartition(message.topic(), message.partition(), message.offset() + 1)])
    consumer.close()


main(*sys.argv[1:4], "--once" in sys.argv)
