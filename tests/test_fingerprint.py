"""Which failures are the same one: tables of messages, and exceptions as they are raised."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from queue_core import fingerprint
from queue_core.fingerprint import MAX_TRACEBACK_BYTES, Failure, describe_failure, make_failure, normalise


@pytest.mark.parametrize(
    ("message", "normalised"),
    [
        ("", ""),
        ("no answer", "no answer"),
        ("order 4711 not found", "order # not found"),
        ("took 1.25 s of 3", "took # s of #"),
        ("10.0.0.1:6379 refused", "#:# refused"),
        ("user 550e8400-e29b-41d4-a716-446655440000 gone", "user # gone"),
        ("<Order object at 0x7f8c4b555800>", "<Order object at #>"),
        ("commit deadbeef01 failed", "commit # failed"),
        ("defaced facade", "defaced facade"),
        ("task 031ffCf2ND5DfLahVJ51s5 failed", "task # failed"),
        ("first line\nsecond line", "first line"),
        ("  spaces around  ", "spaces around"),
        ("x" * 200, "x" * 200),
        ("x" * 201, "x" * 199 + "…"),
        ("ü€😀 7", "ü€😀 #"),
        ("\ud800", "?"),
        ("\0 7", "\0 #"),
    ],
)
def test_what_varies_is_no_part_of_a_message(message: str, normalised: str) -> None:
    assert normalise(message) == normalised


def test_long_messages_cost_little() -> None:
    assert len(normalise("a1" * 5_000_000)) <= 200


@pytest.mark.parametrize(
    ("other", "is_same"),
    [
        (make_failure("send", "ValueError", "order 2", identity="a.py in f"), True),
        (make_failure("send", "ValueError", "order 1", identity="a.py in f", digest="x", trace="t", frame="y"), True),
        (make_failure("sent", "ValueError", "order 1", identity="a.py in f"), False),
        (make_failure("send", "KeyError", "order 1", identity="a.py in f"), False),
        (make_failure("send", "ValueError", "basket 1", identity="a.py in f"), False),
        (make_failure("send", "ValueError", "order 1", identity="a.py in g"), False),
    ],
)
def test_fingerprint_is_task_class_message_and_frame(other: Failure, is_same: bool) -> None:
    one = make_failure("send", "ValueError", "order 1", identity="a.py in f")
    assert (one.fingerprint == other.fingerprint) is is_same
    assert len(other.fingerprint) == 12


def test_overflow_is_one_for_each_task_and_class() -> None:
    one, two = make_failure("send", "ValueError", "a"), make_failure("send", "ValueError", "b")
    assert one.overflow_fingerprint == two.overflow_fingerprint != one.fingerprint
    assert make_failure("send", "KeyError", "a").overflow_fingerprint != one.overflow_fingerprint


def failure_of(function: Callable[[], object]) -> Failure:
    try:
        function()
    except BaseException as error:
        return describe_failure("send", error)
    raise AssertionError("nothing was raised")


def ours() -> None:
    raise ValueError("order 4711")


def in_a_library() -> None:
    json.loads("{")


def test_failure_tells_the_innermost_frame_of_the_application() -> None:
    failure = failure_of(ours)
    assert failure.error == "ValueError: order 4711"
    assert failure.message == "order #"
    assert failure.frame.startswith("tests/test_fingerprint.py:")
    assert failure.frame.endswith(" in ours")
    assert "raise ValueError" in failure.traceback
    assert failure_of(in_a_library).frame.endswith(" in in_a_library")


def test_line_is_no_part_of_the_fingerprint_and_part_of_the_frames() -> None:
    source = "def f():\n{}    raise ValueError('x')\n"
    made = []
    for blank in ("", "\n\n"):
        scope: dict[str, Callable[[], object]] = {}
        exec(compile(source.format(blank), "/srv/shop/app.py", "exec"), scope)
        made.append(failure_of(scope["f"]))
    assert made[0].fingerprint == made[1].fingerprint
    assert made[0].frames_digest != made[1].frames_digest


@pytest.mark.parametrize("folder", ["", "_shop", "2"])
def test_folder_whose_name_begins_as_the_engines_is_the_applications(folder: str) -> None:
    engine = fingerprint._ENGINE.rstrip("/")
    scope: dict[str, Callable[[], object]] = {}
    exec(compile("def f(call): call()", "/srv/app.py", "exec"), scope)
    exec(compile("def g(): raise ValueError('x')", f"{engine}{folder}/part.py", "exec"), scope)
    frame = failure_of(lambda: scope["f"](scope["g"])).frame  # type: ignore[call-arg]
    assert frame.endswith(" in g" if folder else " in f")


class WithoutText(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no text")


class NotText(Exception):
    def __str__(self) -> str:
        return 7  # type: ignore[return-value]


@pytest.mark.parametrize("error_class", [WithoutText, NotText])
def test_exception_whose_own_text_fails_is_described_all_the_same(error_class: type[Exception]) -> None:
    failure = describe_failure("send", error_class())
    assert failure.error_class == error_class.__name__
    assert "cannot be made" in failure.error


def test_exception_that_was_never_raised_has_no_frame() -> None:
    failure = describe_failure("send", ValueError("x"))
    assert (failure.frame, failure.error) == ("", "ValueError: x")


def endless() -> None:
    endless()


def test_endless_recursion_stays_within_the_limits() -> None:
    failure = failure_of(endless)
    assert failure.error_class == "RecursionError"
    assert len(failure.traceback.encode()) <= fingerprint.MAX_TRACEBACK_BYTES


@pytest.mark.parametrize("text", ["x" * 1_000_000, "ü" * 1_000_000, "\ud800" * 100, "a\nb\n" * 100_000, "\0"])
def test_any_message_stays_within_the_limits(text: str) -> None:
    def fail() -> None:
        raise ValueError(text)

    failure = failure_of(fail)
    assert len(failure.error) <= fingerprint.MAX_MESSAGE
    assert len(failure.traceback.encode()) <= fingerprint.MAX_TRACEBACK_BYTES
    json.dumps(failure.error).encode()


def test_causes_and_groups_are_in_the_traceback() -> None:
    def fail() -> None:
        try:
            ours()
        except ValueError as error:
            raise ExceptionGroup("both", [KeyError("a"), OSError("b")]) from error

    failure = failure_of(fail)
    assert failure.error_class == "ExceptionGroup"
    assert "order 4711" in failure.traceback
    assert "KeyError" in failure.traceback


def test_huge_message_leaves_the_frames_in_the_traceback() -> None:
    for message in ("Z" * 100_000, "line\n" * 50_000):
        try:
            raise ValueError(message)
        except ValueError as error:
            failure = describe_failure("send", error)
        assert len(failure.traceback.encode()) <= MAX_TRACEBACK_BYTES
        assert "in test_huge_message_leaves_the_frames_in_the_traceback" in failure.traceback
        assert "ValueError: " in failure.traceback
