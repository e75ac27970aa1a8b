"""A line for each attempt, for people and for programs."""

from __future__ import annotations

import io
import json
import logging
import re
from typing import Any

import pytest

from queue_core import Taskyard, testing
from queue_core.middleware import JsonFormatter, StructuredLogging


def lines_of(level: int) -> tuple[list[dict[str, Any]], list[str]]:
    """What a run that returns and one that raises leave: for programs, and for people."""
    stream, plain = io.StringIO(), io.StringIO()
    logger = logging.Logger("shop", level)
    for target, formatter in ((stream, JsonFormatter()), (plain, logging.Formatter("%(levelname)s %(message)s"))):
        handler = logging.StreamHandler(target)
        handler.setFormatter(formatter)
        logger.addHandler(handler)
    yard = Taskyard(middleware=[StructuredLogging(logger)])

    @yard.task(queue="mail", name="greet")
    def greet(secret: str) -> None:
        if secret == "no":
            raise ValueError("néver\nso")

    with testing.inline(yard, raises=False):
        greet.options(task_id="one").enqueue("yes")
        greet.options(task_id="two").enqueue("no")
    return [json.loads(line) for line in stream.getvalue().splitlines()], plain.getvalue().splitlines()


def test_each_attempt_leaves_a_line_for_programs() -> None:
    (one, two), _ = lines_of(logging.INFO)
    for line in (one, two):
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", line.pop("time"))
        assert 0 <= line.pop("seconds") < 5
        assert "secret" not in line.pop("message")
    where = {"logger": "shop", "task_name": "greet", "queue": "mail", "attempt": 1}
    assert one == {**where, "level": "INFO", "event": "completed", "task_id": "one"}
    assert two == {
        **where, "level": "WARNING", "event": "failed", "task_id": "two",
        "error_class": "ValueError", "error": "néver\nso",
    }  # fmt: skip


def test_and_one_for_people() -> None:
    _, lines = lines_of(logging.INFO)
    assert re.match(r"INFO greet one in mail, attempt 1 completed in ", lines[0])
    assert re.match(r"WARNING greet two in mail, attempt 1 failed after .*: ValueError: néver", lines[1])


def test_the_beginning_is_told_to_who_wants_to_know_it() -> None:
    assert [line["event"] for line in lines_of(logging.DEBUG)[0]] == ["began", "completed", "began", "failed"]
    assert [line["event"] for line in lines_of(logging.WARNING)[0]] == ["failed"]


def test_any_record_becomes_one_line() -> None:
    try:
        raise ValueError("x")
    except ValueError as error:
        record = logging.LogRecord(
            "shop", logging.ERROR, "", 1, "a\n%s", ("b",), (type(error), error, error.__traceback__)
        )
    record.number = object()
    line = JsonFormatter().format(record)
    assert "\n" not in line
    told = json.loads(line)
    assert told["message"] == "a\nb"
    assert told["traceback"].endswith("ValueError: x")
    assert told["number"].startswith("<object")


def test_logger_is_ours_unless_another_one_is_given(caplog: pytest.LogCaptureFixture) -> None:
    yard = Taskyard(middleware=[StructuredLogging()])
    with caplog.at_level(logging.INFO, "taskyard.attempts"), testing.inline(yard):
        yard.task(name="plain")(lambda: None).enqueue()
    assert [record.event for record in caplog.records] == ["completed"]  # type: ignore[attr-defined]
