"""Events of lowcap-cdc for programs in Python:

    from lowcap_cdc import alerts

    for event in alerts("localhost:9092", severity="page"):
        print(event.name, event.token, event.timeframe, event.usd)

An event that a program has taken, and asked for the next one, does not come again after a rebalance or an orderly end. After a
crash the last ones may: `event.id` is the same then. Numbers are `Decimal`, exactly as the event has them.
"""
from __future__ import annotations

import fnmatch
import json
import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

__all__ = ["Event", "NotAnEvent", "alerts", "parse", "TOPICS"]

TOPICS = ("entry-blocks", "trim-pools", "emergency-exits", "executions", "positions", "quarantine", "control")
_RANK = {"info": 1, "warn": 2, "page": 3}
_USD = ("proceeds_usd", "exit_value_usd", "value_usd", "usd", "closed_basis", "usd_basis", "pnl_usd")
_log = logging.getLogger("lowcap_cdc")


class NotAnEvent(ValueError):
    """A record that is no event of lowcap-cdc: somebody else wrote it."""


@dataclass(frozen=True)
class Event:
    """One event of the contract; `data` holds what docs/events.md lists for its type."""

    id: str
    type: str  # e.g. lowcap.emergency_exit.executed.v1
    severity: str  # page, warn or info
    source: str
    subject: str
    time: datetime  # of the commit in Postgres
    sequence: str  # sorts in the order of the WAL, over all topics
    number: int  # counts without a gap
    data: dict[str, Any]

    @property
    def name(self) -> str:
        """The type without its prefix and version, e.g. emergency_exit.executed."""
        return self.type.removeprefix("lowcap.").rsplit(".v", 1)[0]

    @property
    def token(self) -> str:
        """The ticker, or the contract where there is none; empty for an event about no token."""
        return self._entity("token_ticker") or self._entity("token_contract")

    @property
    def timeframe(self) -> str:
        return self._entity("timeframe")

    @property
    def usd(self) -> Decimal | None:
        """The amount that the event is about, in USD, where it names one."""
        return next((self.data[k] for k in _USD if isinstance(self.data.get(k), Decimal)), None)

    def _entity(self, key: str) -> str:
        value = (self.data.get("entity") or {}).get(key)
        return value if isinstance(value, str) else ""


def parse(value: bytes | None) -> Event:
    """Reads a record's value, or a line of events.jsonl. Raises NotAnEvent."""
    try:
        e = json.loads(value or b"", parse_float=Decimal, parse_int=Decimal)
        if not isinstance(e, dict) or not isinstance(e["data"], dict) or not e["type"].startswith("lowcap."):
            raise NotAnEvent("no CloudEvent of lowcap-cdc")
        return Event(id=e["id"], type=e["type"], severity=e["severity"], source=e["source"], subject=e["subject"],
                     time=datetime.fromisoformat(e["time"]), sequence=e["sequence"], number=int(e["number"]), data=e["data"])
    except NotAnEvent:
        raise
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as wrong:
        raise NotAnEvent(f"no event of lowcap-cdc: {wrong!r}") from wrong


def _tell(message: Message, wrong: NotAnEvent) -> None:
    _log.warning("%s/%s at %s was passed over: %s", message.topic(), message.partition(), message.offset(), wrong)


def alerts(
    brokers: str,
    *,
    group: str = "lowcap-alerts",
    severity: str = "warn",
    types: Sequence[str] = (),
    prefix: str = "lowcap.",
    start: str = "latest",
    until_end: bool = False,
    member: str | None = None,
    poison: Callable[[Message, NotAnEvent], None] = _tell,
    config: dict[str, Any] | None = None,
) -> Iterator[Event]:
    """Yields events at least as severe as severity, of types that match any glob (e.g. emergency_exit.*), as a member of a
    consumer group. A group that is new begins at start, latest or earliest. A record that is no event is given to poison, and
    passed over. With until_end it ends when everything was read; else it goes on for ever.

    member is a name that no other process of the group has, and that is the same after a restart: one that is back within
    session.timeout.ms (45 s) goes on where it was, and no other process notices. Without it each start and each end deals the
    partitions out anew."""
    if severity not in _RANK:
        raise ValueError(f"severity {severity!r} is none of {', '.join(_RANK)}")
    consumer = Consumer({
        "bootstrap.servers": brokers, "group.id": group, "auto.offset.reset": start,
        "isolation.level": "read_committed",  # else it also yields what was never committed
        "enable.auto.offset.store": False,  # a place moves when the program asks for the next event
        "auto.commit.interval.ms": 500, "enable.partition.eof": until_end,
        **({} if member is None else {"group.instance.id": member}), **(config or {}),
    })
    last: dict[tuple[str, int], str] = {}  # sequence; a partition is in the order of it
    ended: set[tuple[str, int]] = set()
    consumer.subscribe([prefix + topic for topic in TOPICS], on_assign=lambda c, p: _remember_beginning(c, p, start))
    try:
        while not (until_end and ended and ended >= {(p.topic, p.partition) for p in consumer.assignment()}):
            message = consumer.poll(0.5)
            if message is None:
                continue
            at = (message.topic(), message.partition())
            if message.error():
                if message.error().code() == KafkaError._PARTITION_EOF:
                    ended.add(at)
                    continue
                if message.error().fatal() or not message.error().retriable():
                    raise KafkaException(message.error())
                continue
            ended.discard(at)
            try:
                event = parse(message.value())
                if event.sequence > last.get(at, "") and _RANK.get(event.severity, 2) >= _RANK[severity] and _matches(types, event):
                    yield event
                last[at] = max(event.sequence, last.get(at, ""))
            except NotAnEvent as wrong:
                poison(message, wrong)
            try:
                consumer.store_offsets(message)
            except KafkaException as gone:  # the partition was given to another member meanwhile
                if gone.args[0].code() != KafkaError._STATE:
                    raise
    finally:
        consumer.close()  # commits the places


def _matches(types: Sequence[str], event: Event) -> bool:
    return not types or any(fnmatch.fnmatchcase(event.name, glob) for glob in types)


def _remember_beginning(consumer: Consumer, partitions: list[TopicPartition], start: str) -> None:
    """Commits where a new group begins: an event that comes before the first commit would be passed over by a crash."""
    if not partitions:
        return
    fresh = [p for p in consumer.committed(partitions, timeout=30) if p.offset < 0]
    for p in fresh:
        low, high = consumer.get_watermark_offsets(p, timeout=30)
        p.offset = low if start == "earliest" else high
    if fresh:
        consumer.commit(offsets=fresh, asynchronous=False)
    placed = {(p.topic, p.partition): p.offset for p in fresh}
    for p in partitions:
        p.offset = placed.get((p.topic, p.partition), p.offset)
    consumer.assign(partitions)
