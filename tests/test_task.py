"""Declaring a handler, turning arguments into a payload and back, options. No server."""

from __future__ import annotations

import dataclasses
import enum
import inspect
import json
import math
import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta, timezone
from typing import Annotated, Any

import pytest

from queue_core import (
    Context,
    InvalidArgument,
    InvalidName,
    InvalidPayload,
    PayloadMismatch,
    PayloadTooLarge,
    Taskyard,
    codec,
    task,
)
from queue_core.settings import MAX_PAYLOAD_BYTES
from queue_core.task import MAX_DELAY_SECONDS, Definition, Sending

CONTEXT = Context("id", "name", "queue", 1, 7)
Call = tuple[tuple[Any, ...], dict[str, Any]]


def define(handler: Callable[..., Any], **options: Any) -> Definition:
    given: dict[str, Any] = {
        "name": None,
        "queue": "default",
        "max_retries": 3,
        "max_crashes": 3,
        "timeout": None,
        **options,
    }
    return task.define(handler, **given)


def plain(to: str, subject: str = "Hello") -> None: ...
def anything(to: Any) -> None: ...
def positional_only(a: int, /, b: int, c: int = 3) -> None: ...
def catch_all(*args: int, **kwargs: int) -> None: ...
def keyword_only(a: int, *, b: int) -> None: ...
def named_rest(a: int, **rest: int) -> None: ...
def positional_rest(a: int, *rest: int) -> None: ...


# Arguments and payload.


def _as_bound(handler: Callable[..., Any], arguments: Any, named: Any) -> dict[str, Any]:
    return inspect.signature(handler).bind(*arguments, **named).arguments


@pytest.mark.parametrize(
    ("handler", "arguments", "named", "payload"),
    [
        (plain, (), {"to": "ada"}, b'{"to":"ada"}'),
        (plain, ("ada",), {}, b'{"to":"ada"}'),
        (plain, ("ada", "Hi"), {}, b'{"to":"ada","subject":"Hi"}'),
        (plain, ("ada",), {"subject": "Hi"}, b'{"to":"ada","subject":"Hi"}'),
        (positional_only, (1, 2), {}, b"[[1,2],{}]"),
        (positional_only, (1,), {"c": 4, "b": 2}, b"[[1,2,4],{}]"),
        (catch_all, (), {}, b"{}"),
        (catch_all, (1, 2), {"x": 3}, b'[[1,2],{"x":3}]'),
        (keyword_only, (1,), {"b": 2}, b'{"a":1,"b":2}'),
        (named_rest, (), {"a": 1, "z": 2}, b'[[1],{"z":2}]'),
        (positional_rest, (1, 2, 3), {}, b"[[1,2,3],{}]"),
    ],
)
def test_arguments_are_stored_by_name_where_they_all_have_one(
    handler: Callable[..., Any], arguments: Any, named: dict[str, Any], payload: bytes
) -> None:
    definition = define(handler)
    assert definition.encode(arguments, named) == payload
    assert _as_bound(handler, *definition.decode(payload)) == _as_bound(handler, arguments, named)


@pytest.mark.parametrize(
    ("handler", "arguments", "named", "complaint"),
    [
        (plain, (), {}, "missing a required argument: 'to'"),
        (plain, ("ada",), {"whom": 1}, "unexpected keyword argument 'whom'"),
        (plain, ("a", "b", "c"), {}, "too many positional arguments"),
        (plain, ("a",), {"to": "b"}, "multiple values for argument 'to'"),
        (positional_only, (), {"a": 1, "b": 2}, "'a'"),
        (keyword_only, (1, 2), {}, "too many positional arguments"),
        (keyword_only, (1,), {}, "missing a required"),
    ],
)
def test_arguments_that_do_not_fit_are_refused_when_they_are_enqueued(
    handler: Callable[..., Any], arguments: Any, named: dict[str, Any], complaint: str
) -> None:
    with pytest.raises(InvalidPayload) as refused:
        define(handler).encode(arguments, named)
    assert complaint in str(refused.value)
    assert f"task {handler.__name__}: " in str(refused.value)
    assert "; the parameters are (" in str(refused.value)
    with pytest.raises(PayloadMismatch, match=re.escape(complaint)):
        define(handler).decode(json.dumps([arguments, named] if arguments else named).encode())


class Colour(enum.Enum):
    RED = "red"


@dataclasses.dataclass
class Point:
    x: int


@pytest.mark.parametrize(
    ("value", "read_back"),
    [
        (None, None),
        (True, True),
        (2**53 + 1, 2**53 + 1),
        (-(2**63) - 1, -(2**63) - 1),
        (10**40, 10**40),
        (0.1, 0.1),
        (1.5e300, 1.5e300),
        ("naïve ☃ \x00 \u2028 </script>", "naïve ☃ \x00 \u2028 </script>"),
        ("", ""),
        ([1, [2, {"a": None}]], [1, [2, {"a": None}]]),
        ((1, 2), [1, 2]),
        ({"null": "null", "none": None}, {"null": "null", "none": None}),
    ],
    ids=repr,
)
def test_value_comes_back_as_json_has_it(value: object, read_back: object) -> None:
    payload = define(anything).encode((), {"to": value})
    assert codec.decode_payload(payload) == ([], {"to": read_back})


class Unusual:
    pass


def endless() -> list[object]:
    value: list[object] = []
    value.append(value)
    return value


@pytest.mark.parametrize(
    "value",
    [
        Unusual(),
        object,
        plain,
        {(1, 2): 3},
        "\ud800",
        math.nan,
        math.inf,
        [{"deep": [-math.inf]}],
        endless(),
        iter([1]),
        1j,
    ],
    ids=lambda value: type(value).__name__,
)
def test_value_that_json_cannot_hold_is_refused_when_it_is_enqueued(value: object) -> None:
    with pytest.raises(InvalidPayload, match=r"the arguments cannot be stored as JSON|what can be stored is"):
        define(anything).encode((), {"to": value})


def test_payload_of_a_mebibyte_is_taken_and_one_byte_more_is_not() -> None:
    fits = "x" * (MAX_PAYLOAD_BYTES - len('{"to":""}'))
    assert len(define(plain).encode((), {"to": fits})) == MAX_PAYLOAD_BYTES
    with pytest.raises(PayloadTooLarge, match=r"1,048,577 bytes as JSON; at most 1,048,576 are stored"):
        define(plain).encode((), {"to": fits + "x"})


# The context.


def context_first(context: Context, a: int) -> Any:
    return context, a


def context_first_positional_only(context: Context, /, a: int) -> Any:
    return context, a


def context_between(a: int, context: Context, b: int = 2) -> Any:
    return context, a, b


def context_between_positional_only(a: int, /, context: Context, b: int) -> Any:
    return context, a, b


def context_last_positional_only(a: int = 1, context: Any = None, /) -> Any:
    return context, a


context_last_positional_only.__annotations__["context"] = Context


def context_before_rest(a: int, context: Context, *rest: int, **named: int) -> Any:
    return context, a, rest, named


def context_by_name_only(*args: int, context: Context) -> Any:
    return context, args


def context_annotated(a: int, context: Annotated[Context, "mine"]) -> Any:
    return context, a


@pytest.mark.parametrize(
    ("handler", "arguments", "named", "result"),
    [
        (context_first, (1,), {}, (1,)),
        (context_first, (), {"a": 1}, (1,)),
        (context_first_positional_only, (1,), {}, (1,)),
        (context_between, (1,), {}, (1, 2)),
        (context_between, (1, 3), {}, (1, 3)),
        (context_between_positional_only, (1, 3), {}, (1, 3)),
        (context_between_positional_only, (1,), {"b": 3}, (1, 3)),
        (context_last_positional_only, (), {}, (1,)),
        (context_last_positional_only, (5,), {}, (5,)),
        (context_before_rest, (1, 2, 3), {"z": 4}, (1, (2, 3), {"z": 4})),
        (context_by_name_only, (1, 2), {}, ((1, 2),)),
        (context_annotated, (1,), {}, (1,)),
    ],
)
def test_context_is_given_wherever_its_parameter_stands_and_is_no_part_of_the_payload(
    handler: Callable[..., Any], arguments: Any, named: dict[str, Any], result: tuple[Any, ...]
) -> None:
    definition = define(handler)
    stored = definition.decode(definition.encode(arguments, named))
    assert definition.call(*stored, CONTEXT) == (CONTEXT, *result)


def test_payload_of_another_producer_may_give_positions_where_we_give_names() -> None:
    assert define(context_between).call([1, 3], {}, CONTEXT) == (CONTEXT, 1, 3)
    assert define(context_first).call([1], {}, CONTEXT) == (CONTEXT, 1)


def test_context_is_found_although_other_annotations_cannot_be_evaluated() -> None:
    def handler(a: Missing, context: Context) -> None: ...  # type: ignore[name-defined]  # noqa: F821

    assert define(handler).context_parameter == "context"


# Declaring.


def generator() -> Iterator[int]:
    yield 1


async def async_generator() -> Any:
    yield 1


@pytest.mark.parametrize(
    ("handler", "options", "error", "complaint"),
    [
        (3, {}, InvalidArgument, "task handler 3 cannot be called"),
        (generator, {}, InvalidArgument, "is a generator"),
        (async_generator, {}, InvalidArgument, "is a generator"),
        (dict.pop, {"name": "pop"}, InvalidArgument, "does not tell its parameters"),
        (lambda: None, {}, InvalidName, "task name '<lambda>' is not allowed"),
        (plain, {"name": "a b"}, InvalidName, "task name 'a b'"),
        (plain, {"name": "x" * 129}, InvalidName, "1 to 128"),
        (plain, {"name": "a{b}"}, InvalidName, "a{b}"),
        (plain, {"name": ""}, InvalidName, "task name ''"),
        (plain, {"queue": ""}, InvalidName, "queue name ''"),
        (plain, {"queue": "a\n"}, InvalidName, "queue name"),
        (plain, {"max_retries": -1}, InvalidArgument, "max_retries -1 is not accepted: a whole number from 0 to 1000"),
        (plain, {"max_retries": 1_001}, InvalidArgument, "max_retries 1001"),
        (plain, {"max_retries": 2.0}, InvalidArgument, "max_retries 2.0"),
        (plain, {"max_retries": True}, InvalidArgument, "max_retries True"),
        (plain, {"max_crashes": "3"}, InvalidArgument, "max_crashes '3'"),
        (plain, {"timeout": 0}, InvalidArgument, "timeout 0 is not accepted"),
        (plain, {"timeout": math.inf}, InvalidArgument, "timeout inf"),
        (plain, {"timeout": math.nan}, InvalidArgument, "timeout nan"),
        (plain, {"timeout": "30"}, InvalidArgument, "timeout '30'"),
        (plain, {"timeout": True}, InvalidArgument, "timeout True"),
        (plain, {"timeout": 1e308}, InvalidArgument, "at most 100 years"),
        (plain, {"hard_timeout": 0}, InvalidArgument, "hard_timeout 0 is not accepted"),
        (plain, {"timeout": None, "hard_timeout": "9"}, InvalidArgument, "hard_timeout '9'"),
        (
            plain,
            {"timeout": 10, "hard_timeout": 9},
            InvalidArgument,
            "hard_timeout 9 is not accepted",
        ),
        (plain, {"isolation": "thread"}, InvalidArgument, "isolation 'thread' is not accepted: 'process', or None"),
    ],
)
def test_declaration_that_makes_no_sense_is_refused(
    handler: Any, options: dict[str, Any], error: type[Exception], complaint: str
) -> None:
    with pytest.raises(error) as refused:
        define(handler, **options)
    assert complaint in str(refused.value)


def test_async_handler_is_known_as_one() -> None:
    async def handler() -> None: ...

    assert define(handler).is_async
    assert not define(plain).is_async


# Options.


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"priority": 2_001}, "priority 2001 is not accepted: a whole number from -2000 to 2000"),
        ({"priority": -2_001}, "priority -2001"),
        ({"priority": 1.5}, "priority 1.5"),
        ({"priority": "high"}, "priority 'high'"),
        ({"priority": True}, "priority True"),
        ({"delay": -1}, "delay of -1 s is not accepted: 0 s to 100 years"),
        ({"delay": timedelta(seconds=-1)}, "delay of -1.0 s"),
        ({"delay": MAX_DELAY_SECONDS + 1}, "0 s to 100 years"),
        ({"delay": timedelta.max}, "0 s to 100 years"),
        ({"delay": math.nan}, "delay of nan s"),
        ({"delay": math.inf}, "delay of inf s"),
        ({"delay": 10**400}, "0 s to 100 years"),
        ({"delay": -(10**400)}, "0 s to 100 years"),
        ({"delay": "5"}, "delay '5'"),
        ({"delay": True}, "delay True"),
        ({"eta": datetime(2026, 1, 1)}, "a datetime with its time zone"),  # noqa: DTZ001
        ({"eta": "tomorrow"}, "eta 'tomorrow'"),
        ({"eta": 1_763_770_000}, "eta 1763770000"),
        ({"eta": datetime(2027, 1, 1, tzinfo=UTC), "delay": 5}, "only one of them"),
        ({"max_retries": -1}, "max_retries -1"),
        ({"max_retries": 1_001}, "max_retries 1001"),
        ({"task_id": ""}, "task id ''"),
        ({"task_id": "a:b"}, "task id 'a:b'"),
        ({"task_id": "é"}, "1 to 128 letters, digits, _ and -"),
        ({"task_id": "x" * 129}, "task id"),
        ({"task_id": "a\n"}, "task id"),
        ({"task_id": 7}, "task id 7"),
    ],
)
def test_option_that_makes_no_sense_is_refused(options: dict[str, Any], complaint: str) -> None:
    with pytest.raises(InvalidArgument) as refused:
        Taskyard().task(plain).options(**options)
    assert complaint in str(refused.value)


@pytest.mark.parametrize(
    ("options", "sent"),
    [
        ({"priority": 2_000}, {"priority": 2_000}),
        ({"priority": -2_000}, {"priority": -2_000}),
        ({"delay": 0}, {"delay_ms": 0}),
        ({"delay": 0.0001}, {"delay_ms": 1}),
        ({"delay": timedelta(minutes=1)}, {"delay_ms": 60_000}),
        ({"delay": MAX_DELAY_SECONDS}, {"delay_ms": MAX_DELAY_SECONDS * 1_000}),
        ({"eta": datetime(2026, 11, 22, 13, 0, tzinfo=timezone(timedelta(hours=1)))}, {"due_ms": 1_795_348_800_000}),
        ({"eta": datetime(1969, 1, 1, tzinfo=UTC)}, {"due_ms": 0}),
        ({"eta": datetime.min.replace(tzinfo=timezone(timedelta(hours=14)))}, {"due_ms": 0}),
        ({"task_id": "Order_17-b"}, {"id": "Order_17-b"}),
        ({"task_id": "x" * 128}, {"id": "x" * 128}),
    ],
)
def test_options_become_what_is_sent(options: dict[str, Any], sent: dict[str, Any]) -> None:
    new_task = Taskyard().task(plain).options(**options).message("ada").new_task
    assert {name: getattr(new_task, name) for name in sent} == sent


def test_options_add_up_and_leave_the_task_they_came_from_as_it_was() -> None:
    declared = Taskyard().task(plain)
    urgent = declared.options(priority=5)
    later = urgent.options(delay=3)
    assert (later.message("a").new_task.priority, later.message("a").new_task.delay_ms) == (5, 3_000)
    assert (urgent.message("a").new_task.priority, urgent.message("a").new_task.delay_ms) == (5, 0)
    assert declared.message("a").new_task.priority == 0


@pytest.mark.parametrize(
    ("declared", "options", "first_line"),
    [
        ({}, {}, b"plain"),
        ({"name": "mail.send"}, {}, b"mail.send"),
        ({}, {"priority": 3}, b'plain {"priority":3}'),
        ({"max_retries": 0}, {}, b'plain {"max_retries":0}'),
        ({"max_retries": 5}, {"max_retries": 3}, b'plain {"max_retries":3}'),
        ({}, {"max_retries": 0}, b'plain {"max_retries":0}'),
        ({"max_crashes": 0, "timeout": 1.5}, {}, b'plain {"max_crashes":0,"timeout":1.5}'),
        ({"timeout": 30}, {}, b"plain"),
        ({"timeout": None}, {}, b'plain {"timeout":0}'),
    ],
)
def test_envelope_carries_the_options_that_differ_from_the_defaults(
    declared: dict[str, Any], options: dict[str, Any], first_line: bytes
) -> None:
    declare: Any = Taskyard().task(**declared)
    message = declare(plain).options(**options).message("ada")
    assert message.new_task.envelope == first_line + b'\n{"to":"ada"}'


def test_message_enqueued_twice_has_one_id() -> None:
    declared = Taskyard().task(plain)
    assert declared.message("a").new_task.id != declared.message("a").new_task.id
    assert Sending().due_ms == 0


@pytest.mark.parametrize(
    ("declared", "soft", "hard"),
    [
        ({"timeout": 30}, 30, 40),
        ({"timeout": 5, "hard_timeout": 6.5}, 5, 6.5),
        ({"timeout": None}, math.inf, math.inf),
        ({"timeout": None, "hard_timeout": 60}, math.inf, 60),
    ],
)
def test_hard_timeout_is_ten_seconds_behind_the_timeout_unless_it_is_given(
    declared: dict[str, Any], soft: float, hard: float
) -> None:
    definition = define(plain, **declared)
    assert (definition.soft_seconds, definition.hard_seconds) == (soft, hard)
    assert definition.hard_ms == (0 if hard == math.inf else round(hard * 1000))
