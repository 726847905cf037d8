"""Reads events, one a line, with the generated models and writes them again: roundtrip.py MODELS_DIR < events.jsonl."""
import importlib
import json
import pathlib
import sys
from datetime import datetime

models = pathlib.Path(sys.argv[1]).resolve()
sys.path.insert(0, str(models.parent))


def model_of(event_type):
    name = event_type.removeprefix("lowcap.").removesuffix(".v1").replace(".", "_")
    module = importlib.import_module(f"{models.name}.{name}")
    return getattr(module, "".join(part.capitalize() for part in name.split("_")), None) or next(
        c for n, c in vars(module).items() if n.lower() == name.replace("_", ""))


def same(a, b):
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(same(a[k], b[k]) for k in a)
    if isinstance(a, list) and isinstance(b, list):
        return len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, str) and isinstance(b, str) and a != b:  # a timestamp may lose zeros behind its point
        return datetime.fromisoformat(a) == datetime.fromisoformat(b)
    return a == b


for line in sys.stdin:
    event = json.loads(line)
    model = model_of(event["type"]).model_validate(event)
    if not same(event, json.loads(model.model_dump_json(by_alias=True))):
        raise SystemExit(f"{event['type']} is not the same again: {model.model_dump_json(by_alias=True)}")
    print(event["id"])
