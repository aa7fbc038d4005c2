"""Records of rejoin's topics in Python, the same from MessagePack and from JSON.

    record = rejoin_records.decode(message.value())

`mptcp.idsn` are integers and `mptcp.chunk.octets` are bytes, whichever encoding they came in. Needs `msgpack` from PyPI;
where all topics are JSON, not even that. `python3 rejoin_records.py FILE...` prints one record a file as JSON.
"""

import base64
import binascii
import json
import sys


class NotARecord(ValueError):
    """The octets are no record, and why."""


def decode(value: bytes) -> dict:
    """The record in one message's value. Raises NotARecord for anything else."""
    if not value:
        raise NotARecord("a message without a value")
    try:
        if value.lstrip(b" \t\r\n")[:1] == b"{":
            return _typed(json.loads(value))
        import msgpack

        record = msgpack.unpackb(value, raw=False, strict_map_key=True)
    except ImportError:
        raise
    except Exception as error:
        raise NotARecord(f"neither JSON nor MessagePack: {error}") from error
    if not isinstance(record, dict) or not isinstance(record.get("event"), dict):
        raise NotARecord("not a record: event is missing")
    return record


def _typed(record: dict) -> dict:
    """JSON has strings for 64-bit integers and octets; these are all there are (see schema/encoding.ts)."""
    if not isinstance(record.get("event"), dict):
        raise NotARecord("not a record: event is missing")
    mptcp = record.get("mptcp", {})
    for side, idsn in mptcp.get("idsn", {}).items():
        mptcp["idsn"][side] = None if idsn is None else int(idsn)
    if "chunk" in mptcp:
        try:
            mptcp["chunk"]["octets"] = base64.b64decode(mptcp["chunk"]["octets"], validate=True)
        except binascii.Error as error:
            raise NotARecord(f"octets that are no base64: {error}") from error
    return record


def _main(files: list[str]) -> None:
    for file in files:
        with open(file, "rb") as octets:
            record = decode(octets.read())
        print(json.dumps(record, default=lambda value: base64.b64encode(value).decode()))


if __name__ == "__main__":
    _main(sys.argv[1:])
