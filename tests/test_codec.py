"""The envelope: written and read back, and what is refused on either side."""

from __future__ import annotations

import datetime
import uuid
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import pytest

from queue_core import codec
from queue_core.codec import DEFAULT_OPTIONS, Envelope, Options
from queue_core.errors import InvalidPayload, PayloadTooLarge, UnreadableEnvelope
from queue_core.settings import MAX_PAYLOAD_BYTES


@dataclass
class Point:
    x: int


NESTED: list[Any] = []
for _ in range(100_000):
    NESTED = [NESTED]
ROUND: list[Any] = []
ROUND.append(ROUND)


@pytest.mark.parametrize(
    ("arguments", "named", "payload"),
    [
        ([], {}, b"{}"),
        ([], {"to": "ada@example.com"}, b'{"to":"ada@example.com"}'),
        ([1, "a"], {}, b'[[1,"a"],{}]'),
        ([1], {"b": None}, b'[[1],{"b":null}]'),
        ([], {"ü": "€😀\n\0"}, '{"ü":"€😀\\n\\u0000"}'.encode()),
        ([], {"big": 2**70, "small": -(2**63), "float": 0.1}, None),
    ],
)
def test_arguments_come_back_as_they_were(arguments: list[Any], named: dict[str, Any], payload: bytes | None) -> None:
    encoded = codec.encode_payload(arguments, named)
    assert payload is None or encoded == payload
    assert b"\n" not in encoded
    assert codec.decode_payload(encoded) == (arguments, named)


def test_tuples_come_back_as_lists() -> None:
    assert codec.decode_payload(codec.encode_payload([], {"value": (1, (2,))})) == ([], {"value": [1, [2]]})


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (datetime.datetime(2026, 1, 2, tzinfo=datetime.UTC), "argument 'value' is a datetime"),
        (uuid.UUID(int=1), "argument 'value' is a UUID"),
        (Point(1), "argument 'value' is a Point"),
        (b"bytes", "argument 'value' is a bytes"),
        ({3}, "argument 'value' is a set"),
        ([1, {"a": [2, b"x"]}], r"argument 'value'\[1\]\['a'\]\[1\] is a bytes"),
        ({"a": {1: "b"}}, r"argument 'value'\['a'\] has the key 1, which is no text"),
        (float("nan"), "argument 'value' is nan"),
        ([-float("inf")], r"argument 'value'\[0\] is -inf"),
    ],
)
def test_what_would_come_back_as_something_else_is_refused_where_it_stands(value: object, reason: str) -> None:
    with pytest.raises(InvalidPayload, match=reason):
        codec.encode_payload([], {"value": value})
    with pytest.raises(InvalidPayload, match=reason.replace("'value'", "2", 1)):
        codec.encode_payload([0, value], {})


@pytest.mark.parametrize(
    "value",
    [
        NESTED,
        ROUND,
        "\ud800",
        10**5_000,
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_json_cannot_hold_is_refused(value: object) -> None:
    with pytest.raises(InvalidPayload, match="cannot be stored as JSON"):
        codec.encode_payload([], {"value": value})


def test_payload_of_exactly_the_limit_is_stored_and_one_more_byte_is_not() -> None:
    room = MAX_PAYLOAD_BYTES - len(b'{"a":""}')
    assert len(codec.encode_payload([], {"a": "x" * room})) == MAX_PAYLOAD_BYTES
    with pytest.raises(PayloadTooLarge, match="1,048,577 bytes"):
        codec.encode_payload([], {"a": "x" * (room + 1)})


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"null",
        b"1",
        b'"a"',
        b"[]",
        b"[1]",
        b"[[],[]]",
        b"[{},{}]",
        b"[[],{},1]",
        b"{",
        b"\xff",
        b'{"a":"\xff"}',
        b"[" * 9_999,
    ],
)
def test_payload_that_is_none_is_unreadable(payload: bytes) -> None:
    with pytest.raises(UnreadableEnvelope, match="payload"):
        codec.decode_payload(payload)


OPTIONS = [
    (DEFAULT_OPTIONS, b"send\n{}"),
    (Options(priority=5), b'send {"priority":5}\n{}'),
    (Options(priority=-2_000), b'send {"priority":-2000}\n{}'),
    (Options(max_retries=0, max_crashes=1), b'send {"max_retries":0,"max_crashes":1}\n{}'),
    (Options(timeout=1.5), b'send {"timeout":1.5}\n{}'),
]


@pytest.mark.parametrize(("options", "envelope"), OPTIONS)
def test_envelope_holds_only_what_differs_from_the_defaults(options: Options, envelope: bytes) -> None:
    assert codec.encode_envelope("send", options, b"{}") == envelope
    assert codec.decode_envelope(envelope) == Envelope("send", options, b"{}")


@pytest.mark.parametrize("payload", [b"", b"{}", b"\n\n", b"\xff\x00", b"a b"])
def test_payload_is_all_behind_the_first_line(payload: bytes) -> None:
    assert codec.decode_envelope(b"a.b:c\n" + payload) == Envelope("a.b:c", DEFAULT_OPTIONS, payload)


def test_options_of_a_later_version_are_passed_over() -> None:
    assert codec.decode_envelope(b'send {"priority":1,"colour":"red"}\n{}').options == Options(priority=1)


@pytest.mark.parametrize(
    "envelope",
    [
        b"", b"send", b"\n{}", b" \n{}", b"\xff\n{}", "é\n{}".encode(), b"-a\n{}", b"a/b\n{}", b"x" * 129 + b"\n{}",
        b"send {\n{}", b"send []\n{}", b"send 7\n{}", b"send null\n{}", b'send {"priority":"x"}\n{}',
        b'send {"priority":1.5}\n{}', b'send {"priority":2001}\n{}', b'send {"priority":-2001}\n{}', b"send {} x\n{}",
        b"send \xff\n{}", b"send\r\n{}", b"send " + b"[" * 9_999 + b"\n{}", b'send {"priority":1e400}\n{}',
    ],
)  # fmt: skip
def test_envelope_that_is_none_is_unreadable_with_its_reason(envelope: bytes) -> None:
    with pytest.raises(UnreadableEnvelope, match="envelope"):
        codec.decode_envelope(envelope)


@pytest.mark.parametrize(
    ("envelope", "name"),
    [
        (b"send\n{}", "send"), (b"send {}\n", "send"), (b"send", "send"), (b"send {broken\n", "send"),
        (b"", "unknown"), (b"\xff\x00", "unknown"), (b"\n", "unknown"), (b"a/b\n", "unknown"),
    ],
)  # fmt: skip
def test_name_is_found_even_in_a_broken_envelope(envelope: bytes, name: str) -> None:
    assert codec.name_of(envelope) == name


@pytest.mark.parametrize("digits", [20, 4_300, 4_301, 100_000])
def test_number_of_many_digits_is_a_number_or_unreadable(digits: int) -> None:
    number = b"7" * digits
    for read in (
        lambda: codec.decode_payload(b'{"a":' + number + b"}"),
        lambda: codec.decode_envelope(b'send {"priority":' + number + b"}\n{}"),
        lambda: codec.decode_result(number),
    ):
        with suppress(UnreadableEnvelope):
            read()
