"""The envelope: how a task is stored. A first line `name` or `name {options}`, then the payload as JSON.

The payload is an object of the handler's arguments by name; or, where they cannot all be named, a list of the
positional arguments and the object of the named ones. Scripts read the first line only.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from queue_core.errors import InvalidArgument, InvalidPayload, InvalidResult, PayloadTooLarge, UnreadableEnvelope, shown
from queue_core.keys import MAX_PRIORITY, check_name
from queue_core.settings import MAX_PAYLOAD_BYTES, MAX_RESULT_SECONDS, MIN_RESULT_SECONDS


class Options(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=False):
    """What differs from the defaults for one task, and travels with it."""

    priority: int = 0
    max_retries: int | None = None
    max_crashes: int | None = None
    timeout: float | None = None
    """Seconds, 0: none; as declared where it was enqueued. For show: what its worker's own declaration says holds."""
    result_ttl: float | None = None
    unique_key: str | None = None
    unique_for: float | None = None
    """Seconds; `None`: until the task ends."""
    expires: float | None = None
    """Seconds from the enqueue."""
    schedule: str | None = None
    scheduled_for: int | None = None
    """The occurrence of the schedule, Unix ms."""
    headers: dict[str, str] | None = None
    """What middleware sends along."""

    @property
    def key_until_end(self) -> str | None:
        """The unique key that the task gives back when it ends."""
        return self.unique_key if self.unique_for is None else None


class Envelope(msgspec.Struct, frozen=True):
    name: str
    options: Options
    payload: bytes
    """JSON, as stored."""


MAX_NOTE = 200
"""Characters that a handler may say beside its progress."""
MAX_AMOUNT = 1 << 53
MAX_HEADERS = 512
"""Bytes of what goes along with a task, as JSON: each task carries it through Redis."""
DEFAULT_OPTIONS = Options()
_encoder = msgspec.json.Encoder()
_options_decoder = msgspec.json.Decoder(Options)
_payload_decoder = msgspec.json.Decoder()


PLAIN: frozenset[type] = frozenset({str, int, bool, type(None)})
"""Types of which every value is plain JSON."""
_PLAIN_FORMS = "text, whole numbers, finite numbers, True, False, None, lists, and dicts with text as keys"
_MORE_FORMS = "; also what the parameter's annotation brings back, as datetime, UUID, Decimal, Enum, dataclass"


def encode_payload(arguments: Sequence[Any], named: Mapping[str, Any], *, is_checked: bool = False) -> bytes:
    """The arguments as JSON. Raises `PayloadTooLarge` beyond 1 MiB, `InvalidPayload` for what would not come back as it
    was: what JSON cannot hold, and what it would give back as something else (bytes, dates, sets). Tuples become lists.

    `is_checked`: the caller has seen to it that whatever is not plain JSON comes back.
    """
    try:
        if not is_checked:
            for position, value in enumerate(arguments):
                if type(value) not in PLAIN:
                    check_plain(position + 1, value)
            for name, value in named.items():
                if type(value) not in PLAIN:
                    check_plain(name, value)
        payload = _encoder.encode([arguments, named] if arguments else named)
    except InvalidPayload:
        raise
    except (TypeError, ValueError, OverflowError, RecursionError, UnicodeEncodeError) as error:
        raise InvalidPayload(f"the arguments cannot be stored as JSON: {error}") from error
    if len(payload) > MAX_PAYLOAD_BYTES:
        raise PayloadTooLarge(
            f"the arguments take {len(payload):,} bytes as JSON; at most {MAX_PAYLOAD_BYTES:,} are stored. "
            "Store the data elsewhere and pass a reference"
        )
    return payload


def check_plain(name: str | int, value: object) -> None:
    """Raises `InvalidPayload` for what is not plain JSON; `name`: of the argument, or its position."""
    try:
        misfit = _misfit(value)
    except RecursionError as error:
        raise InvalidPayload(f"the arguments cannot be stored as JSON: {error}") from error
    if misfit:
        raise InvalidPayload(f"argument {name!r}{misfit}; what can be stored is {_PLAIN_FORMS}{_MORE_FORMS}")


def to_json(value: object) -> bytes:
    """Of whatever msgspec encodes: also dates, UUIDs, decimals, enums, dataclasses."""
    return _encoder.encode(value)


def encode_result(value: Any) -> bytes:
    """What a handler gave back, as JSON; by the rules of arguments. Raises `InvalidResult`."""
    try:
        if type(value) not in PLAIN and (misfit := _misfit(value)):
            raise InvalidResult(f"the result{misfit}; what can be stored is {_PLAIN_FORMS}")
        result = _encoder.encode(value)
    except (TypeError, ValueError, OverflowError, RecursionError, UnicodeEncodeError) as error:
        if isinstance(error, InvalidResult):
            raise
        raise InvalidResult(f"the result cannot be stored as JSON: {error}") from error
    if len(result) > MAX_PAYLOAD_BYTES:
        raise InvalidResult(
            f"the result takes {len(result):,} bytes as JSON; at most {MAX_PAYLOAD_BYTES:,} are stored. "
            "Store the data elsewhere and return a reference"
        )
    return result


def decode_result(data: bytes) -> Any:
    """Raises `UnreadableEnvelope`: what is stored may be anything."""
    try:
        return _payload_decoder.decode(data)
    except (msgspec.DecodeError, RecursionError, ValueError) as error:
        raise UnreadableEnvelope(f"the result is not JSON: {error}") from error


def encode_progress(done: float, total: float | None, note: str) -> bytes:
    """How far a handler is, in at most 2 kB. Raises `InvalidArgument`."""
    facts: dict[str, object] = {"done": _check_amount("done", done)}
    if total is not None:
        facts["total"] = _check_amount("total", total)
    if not isinstance(note, str):
        raise InvalidArgument(f"note {shown(note)} is not accepted: a text")
    if note:
        kept = note if len(note) <= MAX_NOTE else note[: MAX_NOTE - 1] + "…"
        facts["note"] = kept.encode("utf-8", "replace").decode()
    return _encoder.encode(facts)


def _check_amount(what: str, amount: float) -> float:
    is_number = isinstance(amount, int | float) and not isinstance(amount, bool)
    if not is_number or not math.isfinite(amount) or not 0 <= amount < MAX_AMOUNT:
        raise InvalidArgument(f"{what} {shown(amount)} is not accepted: a number from 0 to 2⁵³")
    return amount


def _misfit(value: Any) -> str:
    """Where in a value something stands that cannot be stored, and what it is; empty when it all can."""
    if isinstance(value, float):
        return "" if math.isfinite(value) else f" is {value}"
    if isinstance(value, str | int) or value is None:
        return ""
    if isinstance(value, list | tuple):
        for index, item in enumerate(value):
            if type(item) not in PLAIN and (misfit := _misfit(item)):
                return f"[{index}]{misfit}"
        return ""
    if isinstance(value, dict):
        for key, item in value.items():
            if not isinstance(key, str):
                return f" has the key {shown(key)}, which is no text"
            if type(item) not in PLAIN and (misfit := _misfit(item)):
                return f"[{shown(key)}]{misfit}"
        return ""
    return f" is a {type(value).__name__}"


def decode_payload(payload: bytes) -> tuple[list[Any], dict[str, Any]]:
    """Positional and named arguments. Raises `UnreadableEnvelope`."""
    try:
        value = _payload_decoder.decode(payload)
    except (msgspec.DecodeError, RecursionError, ValueError) as error:
        raise UnreadableEnvelope(f"the payload is not JSON: {error}") from error
    if isinstance(value, dict):
        return [], value
    if isinstance(value, list) and len(value) == 2 and isinstance(value[0], list) and isinstance(value[1], dict):
        return value[0], value[1]
    raise UnreadableEnvelope("the payload is neither an object of arguments nor a list of them and an object")


def with_headers(envelope: bytes, headers: Mapping[str, str]) -> bytes:
    """The envelope with these headers, beside those that it has. Raises `InvalidArgument`."""
    name, options, payload = msgspec.structs.astuple(decode_envelope(envelope))
    merged = {**(options.headers or {}), **headers}
    if not all(isinstance(part, str) for pair in merged.items() for part in pair):
        raise InvalidArgument(f"headers {shown(merged, 80)} are not accepted: names and values are texts")
    try:
        length = len(_encoder.encode(merged))
    except UnicodeEncodeError as error:
        raise InvalidArgument(f"headers {shown(merged, 80)} are not accepted: {error}") from error
    if length > MAX_HEADERS:
        raise InvalidArgument(f"headers of {length:,} bytes as JSON are not accepted: at most {MAX_HEADERS}")
    return encode_envelope(name, msgspec.structs.replace(options, headers=merged or None), payload)


def edited(envelope: bytes, payload: bytes, priority: int, max_retries: int) -> bytes:
    """The envelope with another payload, priority and number of retries; its other options stay, also those that only a
    later version knows. Raises `UnreadableEnvelope`, of the one that there is, and `InvalidPayload` of the payload."""
    decode_envelope(envelope)
    if len(payload) > MAX_PAYLOAD_BYTES:
        raise PayloadTooLarge(
            f"the arguments take {len(payload):,} bytes as JSON; at most {MAX_PAYLOAD_BYTES:,} are stored"
        )
    try:
        decode_payload(payload)
    except UnreadableEnvelope as error:
        raise InvalidPayload(str(error)) from error
    head = envelope.partition(b"\n")[0]
    name, _, options_json = head.partition(b" ")
    options = {**(msgspec.json.decode(options_json) if options_json else {}), "max_retries": max_retries}
    options.pop("priority", None)
    if priority:
        options["priority"] = priority
    return b"%b %b\n%b" % (name, _encoder.encode(options), payload)


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
    except (msgspec.DecodeError, RecursionError, ValueError) as error:
        raise UnreadableEnvelope(f"the envelope's options cannot be read: {error}") from error
    if not -MAX_PRIORITY <= options.priority <= MAX_PRIORITY:
        raise UnreadableEnvelope(f"the envelope's priority {options.priority} is outside of ±{MAX_PRIORITY}")
    if options.result_ttl is not None and not MIN_RESULT_SECONDS <= options.result_ttl <= MAX_RESULT_SECONDS:
        raise UnreadableEnvelope(f"the envelope's result_ttl {options.result_ttl} is not 1 second to a year")
    return Envelope(checked, options, payload)
