"""Keeps events in a Postgres table, each exactly once: exactly_once.py BROKERS DSN [PREFIX].

The place of each partition stands in the same database and moves in the same transaction as the rows. A crash leaves both or
none; of two processes that were given the same partition one waits for the other's transaction, and finds the place moved.
"""
import sys

import psycopg
from confluent_kafka import Consumer, KafkaException

from lowcap_cdc import TOPICS, NotAnEvent, parse

TABLES = """
create table if not exists lowcap_events (number numeric, id text, type text, time timestamptz, token text, usd numeric, value jsonb);
create table if not exists lowcap_places (topic text, partition int, next bigint not null, primary key (topic, partition))"""


def assigned(db):
    """Goes on where the database says; a partition without a place begins at its first record."""
    def seek(consumer, partitions):
        with db.transaction(), db.cursor() as c:
            for p in partitions:
                c.execute("insert into lowcap_places values (%s, %s, 0) on conflict do nothing", (p.topic, p.partition))
                c.execute("select next from lowcap_places where topic = %s and partition = %s", (p.topic, p.partition))
                p.offset = max(c.fetchone()[0], consumer.get_watermark_offsets(p, timeout=30)[0])
        consumer.assign(partitions)
    return seek


def keep(db, messages):
    with db.transaction(), db.cursor() as c:
        for m in sorted(messages, key=lambda m: (m.topic(), m.partition(), m.offset())):
            c.execute("update lowcap_places set next = %s where topic = %s and partition = %s and next <= %s",
                      (m.offset() + 1, m.topic(), m.partition(), m.offset()))
            if c.rowcount == 0:
                continue  # another process was here
            try:
                e = parse(m.value())
            except NotAnEvent as wrong:
                print(f"{m.topic()}/{m.partition()} at {m.offset()} was passed over: {wrong}", file=sys.stderr)
                continue
            c.execute("insert into lowcap_events values (%s, %s, %s, %s, %s, %s, %s)",
                      (e.number, e.id, e.type, e.time, e.token, e.usd, m.value().decode()))


def main(brokers, dsn, prefix="lowcap."):
    with psycopg.connect(dsn, autocommit=True) as db:
        with db.transaction():
            db.execute("select pg_advisory_xact_lock(72)")  # two processes may start at once
            db.execute(TABLES)
        consumer = Consumer({"bootstrap.servers": brokers, "group.id": "lowcap-exactly-once", "enable.auto.commit": False,
                             "isolation.level": "read_committed", "session.timeout.ms": 6000})
        consumer.subscribe([prefix + topic for topic in TOPICS], on_assign=assigned(db))
        while True:
            messages = [m for m in consumer.consume(500, 0.2) if not m.error() or raise_fatal(m.error())]
            if messages:
                keep(db, messages)


def raise_fatal(error):
    if error.fatal():
        raise KafkaException(error)
    return False


if __name__ == "__main__":
    main(*sys.argv[1:])
