"""Reads events with the official CloudEvents SDK, structured and by their headers: conformance.py < records.

A record is a line {"headers": {...}, "key": "...", "value": "..."}. Prints the id of each event that both ways agree on.
"""
import json
import sys

from cloudevents.core.bindings.kafka import KafkaMessage, from_binary, from_structured
from cloudevents.core.formats.json import JSONFormat

for line in sys.stdin:
    record = json.loads(line)
    headers = {name: value.encode() for name, value in record["headers"].items()}
    key, value = record["key"].encode(), record["value"].encode()
    structured = from_structured(KafkaMessage(headers=headers, key=key, value=value), JSONFormat())
    data = json.dumps(json.loads(record["value"])["data"]).encode()
    binary = from_binary(KafkaMessage(headers={**headers, "content-type": b"application/json"}, key=key, value=data), JSONFormat())
    if structured.get_attributes() != binary.get_attributes() or structured.get_data() != binary.get_data():
        raise SystemExit(f"{structured.get_attributes()} in the value, {binary.get_attributes()} in the headers")
    print(structured.get_id())
