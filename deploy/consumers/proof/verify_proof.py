"""Checks the proof of one event: verify_proof.py PROOF.json KEY.pub [WITNESS.pub ...].

It shares no code with lowcap-cdc and needs nothing but the package cryptography. It prints the event, exits with 0 when the
proof holds, with 1 when it does not, and with 2 when it was called wrongly. The formats:
  the tree           RFC 6962, section 2.1          https://www.rfc-editor.org/rfc/rfc6962
  the signed note    C2SP signed-note               https://c2sp.org/signed-note
  the checkpoint     C2SP tlog-checkpoint           https://c2sp.org/tlog-checkpoint
  the witnesses      C2SP tlog-cosignature, Ed25519 https://c2sp.org/tlog-cosignature
"""
import base64
import hashlib
import json
import sys

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

LONGEST = 16 << 20  # bytes of a file


class Refused(Exception):
    """What is wrong with a proof."""


def refuse_unless(holds, why):
    if not holds:
        raise Refused(why)


def plain(value):
    """Returns a value as text that cannot move a terminal's cursor."""
    return json.dumps(value).strip('"')


def sha256(*parts):
    return hashlib.sha256(b"".join(parts)).digest()


def unbase64(text):
    """Decodes base64 that is written as its bytes are written, and in no other way."""
    raw = base64.b64decode(text, validate=True)
    refuse_unless(base64.b64encode(raw).decode() == text, "base64 with bits that count for nothing")
    return raw


def read(path):
    with open(path, "rb") as file:
        data = file.read(LONGEST + 1)
    refuse_unless(len(data) <= LONGEST, f"{path} is too long")
    return data.decode("utf-8")


def read_key(path):
    """Returns name and key of a verifier key: NAME+HASH+BASE64."""
    name, digest, encoded = read(path).strip().split("+", 2)
    raw = unbase64(encoded)
    refuse_unless(len(raw) == 33 and raw[0] in (1, 4), f"{path} is not an Ed25519 key")
    refuse_unless(sha256(name.encode(), b"\n", raw)[:4].hex() == digest, f"{path} was altered")
    return name, raw[1:]


def verify(key, signature, message, name):
    try:
        Ed25519PublicKey.from_public_bytes(key).verify(signature, message)
    except InvalidSignature:
        raise Refused(f"the signature of {name} is wrong") from None


def open_note(note, log, witnesses):
    """Returns the text of a note that the log, and each of the witnesses, has signed."""
    text, _, lines = note.rpartition("\n\n")
    text += "\n"
    refuse_unless(lines.endswith("\n"), "the seal is no signed note")
    wanted = {(log[0], sha256(log[0].encode(), b"\n\x01", log[1])[:4]): log[1]}
    for name, key in witnesses:
        wanted[name, sha256(name.encode(), b"\n\x04", key)[:4]] = key
    own = next(iter(wanted))
    for line in lines[:-1].split("\n"):
        dash, name, encoded = line.split(" ")
        refuse_unless(dash == "\u2014", "the seal is no signed note")
        raw = unbase64(encoded)
        key = wanted.pop((name, raw[:4]), None)
        if key is None:
            continue  # somebody whom we were not told to trust
        if (name, raw[:4]) == own:
            verify(key, raw[4:], text.encode(), name)
        else:
            refuse_unless(len(raw) == 4 + 8 + 64, f"the cosignature of {name} is wrong")
            at = int.from_bytes(raw[4:12], "big")
            verify(key, raw[12:], f"cosignature/v1\ntime {at}\n{text}".encode(), name)
    refuse_unless(not wanted, "not signed by " + ", ".join(name for name, _ in wanted))
    return text


def root_of(leaf, index, size, path):
    """Returns the root that a path leads to (RFC 9162, section 2.1.3.2)."""
    node, last, path = sha256(b"\x00", leaf), size - 1, list(path)
    while last > 0:
        refuse_unless(path, "the path is too short")
        if index & 1:
            node = sha256(b"\x01", path.pop(0), node)
        elif index < last:
            node = sha256(b"\x01", node, path.pop(0))
        index, last = index >> 1, last >> 1
    refuse_unless(not path, "the path is too long")
    return node


def check(proof, log, witnesses):
    """Returns the event of a proof that holds, and the checkpoint's lines."""
    origin, size, root, *extensions = open_note(proof["seal"], log, witnesses).rstrip("\n").split("\n")
    refuse_unless(origin == log[0], f"the seal is of {origin}")
    number, event = proof["number"], json.loads(proof["event"])
    refuse_unless(type(number) is int and event["number"] == str(number), "the event has another number")
    refuse_unless(str(int(size)) == size and 0 < number <= int(size) <= 1 << 62, "the seal is not over the event")
    path = [unbase64(text) for text in proof["path"]]
    refuse_unless(all(len(node) == 32 for node in path), "the path is no list of hashes")
    found = root_of(proof["event"].encode(), number - 1, int(size), path)
    refuse_unless(base64.b64encode(found).decode() == root, "the event is not the one that was sealed")
    return event, [f"{size} events", *extensions]


def main(paths):
    if len(paths) < 2:
        print(__doc__.split("\n")[0], file=sys.stderr)
        return 2
    try:
        log, *witnesses = [read_key(path) for path in paths[1:]]
        event, seal = check(json.loads(read(paths[0])), log, witnesses)
    except (Refused, ValueError, LookupError, TypeError, AttributeError, RecursionError, OSError) as why:
        print(f"REFUSED: {why}", file=sys.stderr)
        return 1
    origin = event["data"]["origin"]
    who = origin["actor"] or origin.get("session") or "nobody who was recorded"
    print(f"proved: event {plain(event['number'])} of the trail that {log[0]} sealed ({', '.join(seal)})")
    print(f"  {plain(event['type'])} of {plain(event['subject'])}")
    print(f"  at {plain(event['time'])}, transaction {plain(origin['xid'])} at {plain(origin['commit_lsn'])}")
    print(f"  by {plain(who)}")
    return 0


sys.exit(main(sys.argv[1:]))
