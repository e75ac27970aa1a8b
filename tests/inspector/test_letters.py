"""Dead letters of some faults that died within a range of time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import pytest

from queue_core.control import Control
from queue_core.errors import InvalidArgument
from queue_core.inspector import Inspector
from queue_core.inspector.letters import LETTERS
from queue_core.reading import Position
from queue_core.snapshot import Fault
from tests.engine import START_MS, Engine
from tests.inspector.harness import commands_of

Named = tuple[str, str]


@pytest.fixture
def died(engine: Engine, another: Callable[[str], Engine]) -> dict[Named, tuple[Named, int]]:
    """Queue and id → its fault, and when it died: three faults in two queues, several letters at the same moment."""
    found: dict[Named, tuple[Named, int]] = {}
    alpha, reader = another("alpha"), Inspector(client=engine.client)
    for moment in range(6):
        for one, message, count in ((engine, "no answer", 3), (engine, "wrong", moment + 1), (alpha, "full", 2)):
            ids, queue = one.kill(count, message), one.queue.queue
            name = next(fault.fingerprint for fault in reader.faults(queue) if message in fault.title)
            found |= dict.fromkeys([(queue, task_id) for task_id in ids], ((queue, name), one.now))
        engine.later(1_000)
        alpha.later(1_000)
    return found


def walk(inspector: Inspector, faults: Sequence[Named | Fault], limit: int, **span: Any) -> list[Named]:
    """All, page by page."""
    seen: list[Named] = []
    cursor = None
    while True:
        page = inspector.letters_of(faults, cursor=cursor, limit=limit, **span)
        assert len(page.rows) == limit or page.older is None
        seen += [(row.queue, row.id) for row in page.rows]
        cursor = page.older
        if cursor is None:
            return seen


@pytest.mark.parametrize("limit", [1, 4, 7, 50])
@pytest.mark.parametrize(("since", "until"), [(None, None), (1_000, 3_000), (0, 0), (2_500, 2_600), (4_000, None)])
def test_pages_hold_each_letter_of_the_faults_and_the_time_once_newest_first(
    inspector: Inspector, died: dict[Named, tuple[Named, int]], limit: int, since: int | None, until: int | None
) -> None:
    span: dict[str, Any] = {name: START_MS + at for name, at in (("since", since), ("until", until)) if at is not None}
    faults = sorted({fault for fault, _ in died.values()})
    for chosen in (faults, faults[:1], faults[1:]):
        expected = {
            task_id: at
            for task_id, (fault, at) in died.items()
            if fault in chosen and span.get("since", 0) <= at <= span.get("until", at)
        }
        seen = walk(inspector, chosen, limit, **span)
        assert sorted(seen) == sorted(expected)
        times = [expected[task_id] for task_id in seen]
        assert times == sorted(times, reverse=True)
        assert inspector.letters_of(chosen, limit=limit, **span).total == len(expected)
        counts = inspector.count_letters(chosen, **span)
        assert set(counts) == set(chosen)
        assert sum(counts.values()) == len(expected)
        known = [fault for fault in inspector.faults() if (fault.queue, fault.fingerprint) in chosen]
        assert inspector.count_letters(known, **span) == counts
        assert walk(inspector, known, limit, **span) == seen
        assert walk(inspector, known, limit, oldest_first=True, **span) == seen[::-1]


def test_a_letter_that_left_between_two_pages_hides_none(
    engine: Engine, inspector: Inspector, died: dict[Named, tuple[Named, int]]
) -> None:
    faults = [fault for fault in {fault for fault, _ in died.values()} if fault[0] == "email"]
    first = inspector.letters_of(faults, limit=5)
    letters = [(row.id, row.at or 0) for row in first.rows]
    Control(client=engine.client).requeue("email", letters, by="bo", action_id="a")
    second = inspector.letters_of(faults, cursor=first.older, limit=200)
    assert len(first.rows) + len(second.rows) == sum(fault in faults for fault, _ in died.values())


def test_letters_of_faults_that_are_known_cost_what_is_shown(engine: Engine, inspector: Inspector) -> None:
    for number in range(260):
        engine.kill(2, chr(0x4E00 + number))
        engine.later(1)
    faults = inspector.faults("email")
    page = partial(inspector.letters_of, faults, limit=20)
    assert [row.id for row in page().rows] == [row.id for row in inspector.letters("email", limit=20).rows]
    commands = commands_of(engine, page)
    assert (commands.get("zlexcount", 0), commands["zrevrangebylex"]) == (0, 21 + 21)


def test_faults_of_the_same_moment_with_a_letter_each_cost_one_look_for_each_row(
    engine: Engine, inspector: Inspector
) -> None:
    for number in range(150):
        engine.kill(1, chr(0x4E00 + number))
    faults = inspector.faults("email")
    page = partial(inspector.letters_of, faults, limit=20)
    assert commands_of(engine, page)["zrevrangebylex"] == 21
    assert walk(inspector, faults, 20) == walk(inspector, [(f.queue, f.fingerprint) for f in faults], 20)


def test_no_fault_has_no_letters(inspector: Inspector, died: dict[Named, tuple[Named, int]]) -> None:
    page = inspector.letters_of([])
    assert (page.rows, page.total, page.older) == ((), 0, None)
    unknown = ("email", "0" * 12)
    assert inspector.count_letters([unknown, unknown]) == {unknown: 0}


@pytest.mark.parametrize("span", [{"since": -1}, {"until": 10**13}, {"since": True}])
def test_times_that_cannot_be_are_refused(inspector: Inspector, span: dict[str, Any]) -> None:
    with pytest.raises(InvalidArgument, match="milliseconds"):
        inspector.letters_of([], **span)


@pytest.mark.parametrize("fault", ["", "a:b", "[", "x" * 200])
def test_what_is_no_fingerprint_is_refused(inspector: Inspector, fault: str) -> None:
    with pytest.raises(InvalidArgument):
        inspector.letters_of([("email", fault)])
    with pytest.raises(InvalidArgument):
        inspector.count_letters([("{email}", fault)])


@pytest.mark.parametrize("cursor", ["nonsense", str(Position(LETTERS, "after", b"1", "email"))])
def test_a_cursor_of_somewhere_else_is_no_error_of_ours(
    inspector: Inspector, died: dict[Named, tuple[Named, int]], cursor: str
) -> None:
    faults = sorted({fault for fault, _ in died.values()})
    if cursor == "nonsense":
        with pytest.raises(InvalidArgument, match="cursor"):
            inspector.letters_of(faults, cursor=cursor)
    else:
        assert inspector.letters_of(faults, cursor=cursor).rows == ()


def test_the_ends_of_a_fault_are_its_number_its_first_and_its_last_death(
    inspector: Inspector, died: dict[Named, tuple[Named, int]]
) -> None:
    for queue, name in {fault for fault, _ in died.values()}:
        times = [at for fault, at in died.values() if fault == (queue, name)]
        assert inspector.letter_ends(queue, name) == (len(times), min(times), max(times))
    assert inspector.letter_ends("email", "0" * 12) == (0, None, None)
    with pytest.raises(InvalidArgument, match="no fingerprint"):
        inspector.letter_ends("email", "a:b")
