"""Lists of tasks, page by page."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial

import pytest

from queue_core import protocol
from queue_core.inspector import Inspector
from queue_core.snapshot import Page, State, TaskSummary
from tests.engine import KEEP_MS, LEASE_MS, START_MS, Engine
from tests.inspector.harness import PLACES, commands_of, ids_of, round_trips_of, seed_everywhere, walk


@pytest.mark.each_server
def test_every_place_lists_its_task(engine: Engine, inspector: Inspector) -> None:
    tasks = seed_everywhere(engine)
    rows = {state: inspector.tasks("email", state) for state in list(State)[:8]}
    expected = {
        State.HELD: [tasks["held"]],
        State.DEAD: [tasks["dead"]],
        State.RETRYING: [tasks["retrying"]],
        State.SCHEDULED: [tasks["scheduled"]],
        State.RUNNING: [tasks["running"]],
        State.TRASHED: [tasks["trashed"]],
        State.READY: [tasks["prioritized"], tasks["ready"]],
        State.BLOCKED: [],
    }
    assert {state: ids_of(page) for state, page in rows.items()} == expected
    assert all(row.state is state for state, page in rows.items() for row in page.rows)
    assert {state: page.total for state, page in rows.items()} == {s: len(ids) for s, ids in expected.items()}
    at = {state: page.rows[0].at for state, page in rows.items() if page.rows}
    assert at == {
        State.HELD: None,
        State.DEAD: START_MS,
        State.RETRYING: START_MS + 1_000,
        State.SCHEDULED: START_MS + 60_000,
        State.RUNNING: START_MS,
        State.TRASHED: START_MS + KEEP_MS,
        State.READY: START_MS,
    }


def test_row_of_a_dead_letter_says_what_went_wrong(engine: Engine, inspector: Inspector) -> None:
    task_id = engine.seed("dead", payload=b'{"to": "ada@example.com"}', priority=2, max_retries=5)
    (fault,) = inspector.faults("email")
    assert inspector.letters().rows == (
        TaskSummary(
            queue="email",
            id=task_id,
            name="send",
            state=State.DEAD,
            payload='{"to": "ada@example.com"}',
            priority=2,
            at=START_MS,
            attempts=1,
            error="ValueError: no answer",
            fingerprint=fault.fingerprint,
            worker="w1",
        ),
    )


def test_rows_say_where_a_task_runs_is_held_and_was_trashed_from(engine: Engine, inspector: Inspector) -> None:
    seed_everywhere(engine)
    assert inspector.tasks("email", State.RUNNING).rows[0].worker == "w1"
    assert inspector.tasks("email", State.HELD).rows[0].lane == "unknown:resize"
    assert inspector.trash().rows[0].trashed_from == "dead"


def test_blocked_tasks_are_listed(engine: Engine, inspector: Inspector) -> None:
    task_id = engine.seed("ready")
    engine.redis.delete(engine.queue.ready)
    engine.redis.zadd(engine.queue.blocked, {task_id: START_MS + 5})
    assert inspector.queue("email").counts.blocked == 1
    (row,) = inspector.tasks("email", State.BLOCKED).rows
    assert (row.id, row.state, row.at) == (task_id, State.BLOCKED, START_MS + 5)


def test_peek_gives_ready_tasks_in_the_order_of_a_strict_claim(engine: Engine, inspector: Inspector) -> None:
    for priority in (0, 3, -2, 0, 3, 1, -2, 0):
        engine.enqueue(priority=priority)
        engine.later(3)
    engine.trash(engine.enqueue())
    shown = [task.id for task in inspector.peek("email", 20)]
    assert shown == [task.id for task in engine.claim(20).tasks]
    assert len(shown) == 8


def test_ready_pages_hold_every_task_once(engine: Engine, inspector: Inspector) -> None:
    for priority in (4, 0, -4):
        engine.enqueue_many(7, priority=priority)
        engine.later(10)
    pages = walk(lambda cursor: inspector.tasks("email", State.READY, cursor=cursor, limit=4))
    assert [task_id for page in pages for task_id in page] == [task.id for task in engine.claim(30).tasks]
    assert [len(page) for page in pages] == [4, 4, 4, 4, 4, 1]


def test_struck_out_tasks_are_on_no_page(engine: Engine, inspector: Inspector) -> None:
    tasks = engine.enqueue_many(40)
    engine.trash(*tasks[:17], *tasks[20:30])
    page = inspector.tasks("email", State.READY, limit=5)
    assert ids_of(page) == [*tasks[17:20], *tasks[30:32]]
    page = inspector.tasks("email", State.READY, cursor=page.older, limit=20)
    assert (ids_of(page), page.older, page.total) == (tasks[32:], None, 13)


def test_thousands_of_struck_out_tasks_are_passed_in_steps(engine: Engine, inspector: Inspector) -> None:
    tasks = engine.enqueue_many(2_060)
    for start in range(0, 2_050, 250):
        engine.trash(*tasks[start : min(start + 250, 2_050)])
    cursor, found, steps = None, list[str](), 0
    while steps == 0 or cursor:
        page = inspector.tasks("email", State.READY, cursor=cursor)
        cursor, found, steps = page.older, found + ids_of(page), steps + 1
    assert found == tasks[2_050:]
    assert steps == 3


@pytest.mark.parametrize("place", ["scheduled", "retrying"])
def test_waiting_tasks_come_soonest_first(engine: Engine, inspector: Inspector, place: str) -> None:
    if place == "scheduled":
        expected = [engine.enqueue(delay_ms=60_000 - 7 * n) for n in range(9)][::-1]
    else:
        expected = [engine.seed(place) for _ in range(9)]
    pages = walk(lambda cursor: inspector.tasks("email", State(place), cursor=cursor, limit=4))
    assert [task_id for page in pages for task_id in page] == expected


def test_running_tasks_come_longest_running_first_whatever_their_leases(engine: Engine, inspector: Inspector) -> None:
    held = []
    for _ in range(11):
        held.append(engine.lease())
        engine.later(5)
    engine.run(protocol.extend(engine.queue, held[:3], 2 * LEASE_MS))
    pages = walk(lambda cursor: inspector.tasks("email", State.RUNNING, cursor=cursor, limit=4))
    assert [task_id for page in pages for task_id in page] == [task.id for task in held]


def test_held_tasks_come_by_lane(engine: Engine, inspector: Inspector) -> None:
    held = [engine.seed("held", name=name) for name in ("resize", "crop")]
    held += [engine.enqueue(name=name) for name in ("resize", "crop", "resize")]
    assert engine.claim().tasks == ()
    pages = walk(lambda cursor: inspector.tasks("email", State.HELD, cursor=cursor, limit=2))
    assert [task_id for page in pages for task_id in page] == [held[1], held[3], held[0], held[2], held[4]]


def test_letters_come_newest_first_also_within_one_millisecond(engine: Engine, inspector: Inspector) -> None:
    died = engine.kill(23)
    engine.later(1)
    died += engine.kill(4)
    pages = walk(lambda cursor: inspector.letters("email", cursor=cursor, limit=5))
    assert [task_id for page in pages for task_id in page] == list(reversed(died))
    assert [len(page) for page in pages] == [5, 5, 5, 5, 5, 2]
    for read in (inspector.letters, partial(inspector.tasks, state=State.DEAD)):
        pages = walk(partial(_oldest_first, read))
        assert [task_id for page in pages for task_id in page] == died


def _oldest_first(read: Callable[..., Page], cursor: str | None) -> Page:
    return read("email", cursor=cursor, limit=5, oldest_first=True)


def test_next_page_begins_where_the_last_one_ended_whatever_came_and_went(engine: Engine, inspector: Inspector) -> None:
    died = list(reversed(engine.kill(30)))
    page = inspector.letters("email", limit=10)
    letters = [(task_id, START_MS) for task_id in (*died[:3], *died[8:12])]
    engine.run(protocol.requeue(engine.queue, letters, {}))
    engine.claim(10)
    engine.later(1)
    engine.kill(3)
    older = inspector.letters("email", cursor=page.older, limit=10)
    assert ids_of(older) == died[12:22]
    newer = inspector.letters("email", cursor=older.newer, limit=4)
    assert ids_of(newer) == died[4:8]


def test_page_behind_the_last_letter_leads_back(engine: Engine, inspector: Inspector) -> None:
    died = list(reversed(engine.kill(8)))
    page = inspector.letters("email", limit=5)
    engine.run(protocol.requeue(engine.queue, [(task_id, START_MS) for task_id in died[5:]], {}))
    page = inspector.letters("email", cursor=page.older, limit=5)
    assert (page.rows, page.older, page.total) == ((), None, 5)
    assert ids_of(inspector.letters("email", cursor=page.newer, limit=5)) == died[:5]


def test_letters_of_a_fault_are_its_own(engine: Engine, inspector: Inspector) -> None:
    for _ in range(4):
        engine.kill(3, "no answer")
        engine.kill(3, "wrong address")
        engine.later(1)
    first, second = inspector.faults("email")
    letters = {}
    for fault in (first, second):
        read = partial(inspector.letters, "email", fingerprint=fault.fingerprint, limit=5)
        pages = walk(lambda cursor, read=read: read(cursor=cursor))  # type: ignore[misc]
        letters[fault.fingerprint] = [task_id for page in pages for task_id in page]
        pages = walk(lambda cursor, read=read: read(cursor=cursor, oldest_first=True))  # type: ignore[misc]
        assert [task_id for page in pages for task_id in page] == letters[fault.fingerprint][::-1]
        assert inspector.letters("email", fingerprint=fault.fingerprint).total == fault.dead == 12
    both = ids_of(inspector.letters("email"))
    for fingerprint, ids in letters.items():
        rows = {row.id: row for row in inspector.letters("email").rows}
        assert ids == [task_id for task_id in both if task_id in ids]
        assert {rows[task_id].fingerprint for task_id in ids} == {fingerprint}
    assert inspector.letters("email", fingerprint="unknown").rows == ()


def test_letters_of_all_queues_are_merged_newest_first(
    engine: Engine, inspector: Inspector, another: Callable[[str], Engine]
) -> None:
    engines = [engine, another("alpha"), another("zoo"), another("quiet")]
    engines[3].seed("ready")
    died: list[tuple[int, str, str]] = []
    for step in range(6):
        for number, each in enumerate(engines[:3]):
            if (step + number) % 3 != 1:
                died += [(each.now, each.queue.queue, task_id) for task_id in each.kill(3)]
        for each in engines:
            each.later(step % 2)
    pages = walk(lambda cursor: inspector.letters(cursor=cursor, limit=4))
    ordered = sorted(died, key=lambda letter: letter[2], reverse=True)
    ordered.sort(key=lambda letter: (-letter[0], letter[1]))
    assert [task_id for page in pages for task_id in page] == [task_id for _, _, task_id in ordered]
    assert inspector.letters().total == len(died)
    pages = walk(lambda cursor: inspector.letters(cursor=cursor, limit=4, oldest_first=True))
    assert [task_id for page in pages for task_id in page] == [task_id for _, _, task_id in sorted(died)]


def test_many_queues_with_letters_share_a_page(
    engine: Engine, inspector: Inspector, another: Callable[[str], Engine]
) -> None:
    expected = []
    for number in range(12):
        each = another(f"q{number:02}")
        each.later(number)
        expected += [(each.now, task_id) for task_id in each.kill(2)]
    pages = walk(lambda cursor: inspector.letters(cursor=cursor, limit=3))
    assert [task_id for page in pages for task_id in page] == [task_id for _, task_id in sorted(expected, reverse=True)]


def test_trash_shows_what_was_trashed_last_first(
    engine: Engine, inspector: Inspector, another: Callable[[str], Engine]
) -> None:
    trashed = []
    for each in (engine, another("alpha")):
        for place in ("dead", "scheduled", "prioritized"):
            trashed.append((each.later(7), each.seed(place)))
            each.trash(trashed[-1][1])
        each.later(-7)
    rows = inspector.trash().rows
    assert [row.at for row in rows] == sorted((at + KEEP_MS for at, _ in trashed), reverse=True)
    assert {row.id for row in rows} == {task_id for _, task_id in trashed}
    assert [row.trashed_from for row in inspector.trash("email").rows] == ["ready", "scheduled", "dead"]


def test_page_of_letters_takes_the_same_commands_of_a_hundred_and_of_ten_thousand(
    engine: Engine, inspector: Inspector, another: Callable[[str], Engine], monkeypatch: pytest.MonkeyPatch
) -> None:
    large = another("large")
    for _ in range(10):
        engine.kill(10)
        large.kill(1_000)
        engine.later(1)
        large.later(1)
    (fault, _) = inspector.faults()
    reads: list[Callable[[str], Page]] = [
        inspector.letters,
        lambda name: inspector.letters(name, fingerprint=fault.fingerprint),
    ]
    for read in reads:
        read("email")
        assert commands_of(engine, partial(read, "email")) == commands_of(engine, partial(read, "large"))
    assert round_trips_of(engine, monkeypatch, lambda: inspector.letters("large")) == 2
    assert round_trips_of(engine, monkeypatch, inspector.letters) == 5
    cursors = {name: inspector.letters(name).older for name in ("email", "large")}
    calls = [
        commands_of(engine, partial(inspector.letters, name, cursor=cursor))["evalsha_ro"]
        for name, cursor in cursors.items()
    ]
    assert calls == [2, 2]


def test_other_reads_take_as_many_round_trips_as_they_say(
    engine: Engine, inspector: Inspector, monkeypatch: pytest.MonkeyPatch
) -> None:
    tasks = seed_everywhere(engine)
    fingerprint = inspector.faults("email")[0].fingerprint
    inspector.snapshot()
    reads: list[tuple[int, Callable[[], object]]] = [
        (1, lambda: inspector.queue("email")),
        *((2, lambda state=state: inspector.tasks("email", state)) for state in list(PLACES.values())),
        (2, lambda: inspector.tasks("email", State.RUNNING)),
        (2, lambda: inspector.peek("email")),
        (1, lambda: inspector.summaries("email", list(tasks.values()))),
        (2, lambda: inspector.task("email", tasks["dead"])),
        (2, lambda: inspector.find(tasks["dead"])),
        (1, lambda: inspector.faults("email")),
        (2, inspector.faults),
        (1, lambda: inspector.fault("email", fingerprint)),
        (2, lambda: inspector.trash("email")),
        (1, inspector.workers),  # and one more where a worker was heard since
        (1, inspector.server_ms),
    ]
    for _, read in reads:
        read()
    assert [round_trips_of(engine, monkeypatch, read) for _, read in reads] == [count for count, _ in reads]


def test_list_of_large_payloads_ships_a_few_bytes_of_each(engine: Engine, inspector: Inspector) -> None:
    payload = json.dumps({"text": "ü" * 500_000}, ensure_ascii=False).encode()
    for _ in range(5):
        engine.enqueue(payload=payload)
    before = engine.redis.info("stats")["total_net_output_bytes"]
    page = inspector.tasks("email", State.READY)
    assert engine.redis.info("stats")["total_net_output_bytes"] - before < 30_000
    assert {row.payload for row in page.rows} == {'{"text": "' + "ü" * 109 + "…"}
    assert {len(row.payload) for row in page.rows} == {120}


@pytest.mark.parametrize("length", [119, 120, 121])
def test_payload_of_a_row_has_at_most_120_characters(engine: Engine, inspector: Inspector, length: int) -> None:
    payload = '{"a":"' + "x" * (length - 8) + '"}'
    engine.enqueue(payload=payload.encode())
    (row,) = inspector.peek("email")
    assert row.payload == (payload if length <= 120 else payload[:119] + "…")


def test_cut_in_the_middle_of_a_character_is_not_shown(engine: Engine, inspector: Inspector) -> None:
    for shift in range(4):
        engine.enqueue(name="n" * 128, payload=b'"' + b"a" * shift + "😀".encode() * 600)
    assert all(row.payload.rstrip("😀…").strip('"a') == "" for row in inspector.peek("email"))
