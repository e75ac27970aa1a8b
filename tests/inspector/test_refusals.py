"""What is not there, and what cannot be asked for."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import pytest

from queue_core import protocol
from queue_core.errors import InvalidArgument, InvalidName, UnknownCursor, UnknownFault, UnknownQueue, UnknownTask
from queue_core.inspector import Inspector
from queue_core.reading import Position, list_name
from queue_core.snapshot import Page, State
from tests.engine import Engine


def test_unknown_queue_task_and_fault_are_told_apart(engine: Engine, inspector: Inspector) -> None:
    reads: list[Callable[[], object]] = [
        lambda: inspector.queue("nowhere"),
        lambda: inspector.tasks("nowhere", State.READY),
        lambda: inspector.tasks("nowhere", State.RUNNING),
        lambda: inspector.tasks("nowhere", State.DEAD),
        lambda: inspector.summaries("nowhere", ["x"]),
        lambda: inspector.task("nowhere", "x"),
        lambda: inspector.peek("nowhere"),
        lambda: inspector.faults("nowhere"),
        lambda: inspector.fault("nowhere", "x"),
        lambda: inspector.letters("nowhere"),
        lambda: inspector.trash("nowhere"),
    ]
    for read in reads:
        with pytest.raises(UnknownQueue, match="no queue nowhere"):
            read()
    engine.seed("ready")
    for task_id in ("unknown", "a b", "", "x" * 500, "\ud800"):
        with pytest.raises(UnknownTask):
            inspector.task("email", task_id)
    for fingerprint in ("0123456789ab", "", "a:b", "x" * 500):
        with pytest.raises(UnknownFault):
            inspector.fault("email", fingerprint)
    assert engine.redis.keys("*nowhere*") == []


@pytest.mark.parametrize("name", ["", "a b", "{x}", "a" * 129, "é", "a/b", "a\n"])
def test_names_that_no_queue_can_have_are_refused(inspector: Inspector, name: str) -> None:
    with pytest.raises(InvalidName):
        inspector.queue(name)
    with pytest.raises(InvalidName):
        inspector.letters(name)


@pytest.mark.parametrize("limit", [0, -1, 201, 10**9])
def test_limits_outside_of_what_a_page_holds_are_refused(engine: Engine, inspector: Inspector, limit: int) -> None:
    engine.seed("ready")
    for read in (inspector.letters, inspector.trash):
        with pytest.raises(InvalidArgument):
            read(limit=limit)
    with pytest.raises(InvalidArgument):
        inspector.tasks("email", State.READY, limit=limit)
    with pytest.raises(InvalidArgument):
        inspector.peek("email", limit)


@pytest.mark.parametrize(
    "cursor",
    ["", "x", "!!!!", "YQ", "a" * 2_000, "é", "\ud800"],
)
@pytest.mark.parametrize("state", [State.READY, State.RUNNING, State.DEAD])
def test_texts_that_are_no_cursor_are_refused(engine: Engine, inspector: Inspector, state: State, cursor: str) -> None:
    engine.seed("ready")
    with pytest.raises(InvalidArgument, match="cursor"):
        inspector.tasks("email", state, cursor=cursor)
    for side, score in (("after", b"nan"), ("c", b"1")):
        with pytest.raises(InvalidArgument, match="cursor"):
            inspector.tasks("email", state, cursor=str(Position(list_name(state, "email"), side, score, "email")))


def test_cursor_of_another_list_is_refused(engine: Engine, inspector: Inspector) -> None:
    engine.kill(5)
    engine.enqueue_many(5)
    engine.lease(priority=9)
    engine.lease(priority=9)
    fault = inspector.faults("email")[0].fingerprint
    lists: dict[str, Callable[..., Page]] = {
        **{state: partial(inspector.tasks, "email", state) for state in (State.READY, State.RUNNING, State.DEAD)},
        **{f"other {state}": partial(inspector.tasks, "other", state) for state in (State.READY, State.DEAD)},
        "all": inspector.letters,
        "of a fault": partial(inspector.letters, "email", fingerprint=fault),
        "of chosen faults": partial(inspector.letters_of, [("email", fault)]),
        "trash": inspector.trash,
    }
    engine.run(protocol.enqueue(engine.client.queue("other"), [engine.new_task()]))
    cursors = {name: older for name, read in lists.items() if (older := read(limit=1).older)}
    assert len(cursors) == 6
    for own, cursor in cursors.items():
        assert len(cursor) < 500
        for name, read in lists.items():
            if name == own:
                assert read(cursor=cursor).rows
            else:
                with pytest.raises(UnknownCursor, match="not one of a page's own"):
                    read(cursor=cursor)


@pytest.mark.parametrize(
    "score", ["-inf", "inf", "-1", "1e300", "99999999999999999999", "5000000000000000000", "999999999999", "0.5"]
)
def test_cursor_at_the_end_of_the_world_is_harmless(engine: Engine, inspector: Inspector, score: str) -> None:
    engine.kill(5)
    engine.enqueue_many(5)
    for side in ("after", "before"):
        for state in list(State)[:8]:
            cursor = str(Position(list_name(state, "email"), side, score.encode(), "email", b"x"))
            try:
                page = inspector.tasks("email", state, cursor=cursor)
            except InvalidArgument:
                continue
            assert page.total in (0, 5)
        inspector.letters(cursor=str(Position(list_name(State.DEAD), side, score.encode(), "email", b"x")))


@pytest.mark.parametrize("state", [State.COMPLETED, State.CANCELLED, State.EXPIRED, State.DISCARDED])
def test_ends_have_no_list(engine: Engine, inspector: Inspector, state: State) -> None:
    engine.seed("ready")
    with pytest.raises(InvalidArgument, match=state.value):
        inspector.tasks("email", state)


def test_fault_without_its_queue_is_refused(inspector: Inspector) -> None:
    with pytest.raises(InvalidArgument):
        inspector.letters(fingerprint="0123456789ab")
