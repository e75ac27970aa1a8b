"""The envelope: how a task is stored. A first line `name` or `name {options}`, then the payload as JSON.

The payload is an object of the handler's arguments by name; or, where they cannot all be named, a list of the
positional arguments and the object of the named ones. Scripts read the first line only.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from queue_core.errors import InvalidPayload, PayloadTooLarge, UnreadableEnvelope
from queue_core.keys import MAX_PRIORITY, check_name
from queue_core.settings import MAX_PAYLOAD_BYTES


class Options(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=False):
    """What differs from the defaults for one task, and travels with it."""

    priority: int = 0
    max_retries: int | None = None
    max_crashes: int | None = None
    timeout: float | None = None


class Envelope(msgspec.Struct, frozen=True):
    name: str
    options: Options
    payload: bytes
    """JSON, as stored."""


DEFAULT_OPTIONS = Options()
_encoder = msgspec.json.Encoder()
_options_decoder = msgspec.json.Decoder(Options)
_payload_decoder = msgspec.json.Decoder()


def encode_payload(arguments: Sequence[Any], named: Mapping[str, Any]) -> bytes:
    """The arguments as JSON. Raises `InvalidPayload` for what JSON cannot hold, `PayloadTooLarge` beyond 1 MiB."""
    try:
        payload = _encoder.encode([arguments, named] if arguments else named)
        if b"null" in payload:  # what NaN and the infinities would silently become
            json.dumps([arguments, named], allow_nan=False, default=lambda value: None, skipkeys=True)
    except (TypeError, ValueError, OverflowError, RecursionError, UnicodeEncodeError) as error:
        raise InvalidPayload(f"the arguments cannot be stored as JSON: {error}") from error
    if len(payload) > MAX_PAYLOAD_BYTES:
        raise PayloadTooLarge(
            f"the arguments take {len(payload):,} bytes as JSON; at most {MAX_PAYLOAD_BYTES:,} are stored. "
            "Store the data elsewhere and pass a reference"
        )
    return payload


def decode_payload(payload: bytes) -> tuple[list[Any], dict[str, Any]]:
    """Positional and named arguments. Raises `UnreadableEnvelope`."""
    try:
        value = _payload_decoder.decode(payload)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise UnreadableEnvelope(f"the payload is not JSON: {error}") from error
    if isinstance(value, dict):
        return [], value
    if isinstance(value, list) and len(value) == 2 and isinstance(value[0], list) and isinstance(value[1], dict):
        return value[0], value[1]
    raise UnreadableEnvelope("the payload is neither an object of arguments nor a list of them and an object")


def encode_envelope(name: str, options: Options, payload: bytes) -> bytes:
    if options == DEFAULT_OPTIONS:
        return b"%b\n%b" % (name.encode(), payload)
    return b"%b %b\n%b" % (name.encode(), _encoder.encode(options), payload)


def name_of(envelope: bytes) -> str:
    """The name in an envelope that may not be one; `unknown` where there is none."""
    name = envelope.partition(b"\n")[0].partition(b" ")[0].decode("ascii", "replace")
    try:
        return check_name("task", name)
    except ValueError:
        return "unknown"


def decode_envelope(envelope: bytes) -> Envelope:
    """Name, options and payload. Raises `UnreadableEnvelope`: what cannot be read is a dead letter, with the reason."""
    head, line_end, payload = envelope.partition(b"\n")
    name, _, options_json = head.partition(b" ")
    if not line_end:
        raise UnreadableEnvelope("the envelope has no payload line")
    try:
        checked = check_name("task", name.decode("ascii", "replace"))
    except ValueError as error:
        raise UnreadableEnvelope(f"the envelope names no task: {error}") from error
    if not options_json:
        return Envelope(checked, DEFAULT_OPTIONS, payload)
    try:
        options = _options_decoder.decode(options_json)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise UnreadableEnvelope(f"the envelope's options cannot be read: {error}") from error
    if not -MAX_PRIORITY <= options.priority <= MAX_PRIORITY:
        raise UnreadableEnvelope(f"the envelope's priority {options.priority} is outside of ±{MAX_PRIORITY}")
    return Envelope(checked, options, payload)
