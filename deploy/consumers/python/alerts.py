"""Prints every event that somebody should know of: alerts.py BROKERS [--once]."""
import json
import sys

from confluent_kafka import Consumer, KafkaError, TopicPartition

TOPICS = ["entry-blocks", "trim-pools", "emergency-exits", "executions", "positions", "quarantine", "control"]


def main(brokers, once):
    consumer = Consumer({
        "bootstrap.servers": brokers,
        "group.id": "alerts-python",
        "isolation.level": "read_committed",  # without it you also see what was never committed
        "auto.offset.reset": "earliest",
        "enable.auto.commit": False,
        "enable.partition.eof": once,  # to stop at the end, for tests
    })
    consumer.subscribe(["lowcap." + topic for topic in TOPICS])
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
        headers = {name: value.decode() for name, value in message.headers()}
        if headers["ce_severity"] != "info":  # filter without parsing
            event = json.loads(message.value())
            print(event["severity"], event["type"], event["id"])
        consumer.commit(offsets=[TopicPartition(message.topic(), message.partition(), message.offset() + 1)])
    consumer.close()


main(sys.argv[1], "--once" in sys.argv)
