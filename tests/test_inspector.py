"""What is read, on a real server: seeded through the protocol, compared with what was seeded."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import fields
from functools import cached_property, partial
from typing import Any

import pytest

from queue_core import keys, protocol
from queue_core.client import Client
from queue_core.embedded import EmbeddedServer
from queue_core.errors import (
    CorruptQueue,
    FormatMismatch,
    InvalidArgument,
    InvalidName,
    ServerUnavailable,
    UnknownFault,
    UnknownQueue,
    UnknownTask,
)
from queue_core.inspector import Inspector
from queue_core.protocol import Held, ReleasedTask
from queue_core.reading import Position
from queue_core.snapshot import Counts, Page, Pause, State, TaskDetail, TaskSummary
from tests.engine import KEEP_MS, LEASE_MS, START_MS, Engine

PLACES = {
    "held": State.HELD,
    "dead": State.DEAD,
    "retrying": State.RETRYING,
    "scheduled": State.SCHEDULED,
    "prioritized": State.READY,
    "ready": State.READY,
}


@pytest.fixture
def engine(redis_url: str, namespace: str) -> Iterator[Engine]:
    engine = Engine(redis_url, namespace)
    engine.client.register("email")
    yield engine
    engine.close()


@pytest.fixture
def inspector(engine: Engine) -> Inspector:
    return Inspector(client=engine.client)


@pytest.fixture
def another(engine: Engine, namespace: str) -> Iterator[Callable[[str], Engine]]:
    """Other registered queues, at the same time as the first."""
    made: list[Engine] = []

    def make(name: str) -> Engine:
        made.append(Engine(engine.url, namespace, name))
        made[-1].now = engine.now
        made[-1].client.register(name)
        return made[-1]

    yield make
    for other in made:
        other.close()


def seed_everywhere(engine: Engine) -> dict[str, str]:
    """Place → the task that is there."""
    tasks = {"trashed": engine.seed("trashed")}
    tasks |= {place: engine.seed(place) for place in ("held", "dead", "retrying", "scheduled")}
    tasks["running"] = engine.lease().id
    tasks |= {place: engine.seed(place) for place in ("prioritized", "ready")}
    return tasks


def kill(engine: Engine, count: int, message: str = "no answer", **what: Any) -> list[str]:
    """So many dead letters, in the order of their ids, which all died at this moment."""
    died = []
    for start in range(0, count, 250):
        engine.enqueue_many(min(250, count - start), **what)
        claimed = engine.claim(250)
        letters = [engine.failed(Held(t.id, claimed.fence), protocol.DEAD, message=message) for t in claimed.tasks]
        engine.run(protocol.fail(engine.queue, letters))
        died += [task.id for task in claimed.tasks]
    return died


def ids_of(page: Page) -> list[str]:
    return [row.id for row in page.rows]


def walk(read: Callable[[str | None], Page]) -> list[list[str]]:
    """All pages from the first to the last, and back again to see that they are the same."""
    page = read(None)
    pages, cursors = [ids_of(page)], [page]
    while page.older:
        page = read(page.older)
        pages.append(ids_of(page))
        cursors.append(page)
    back = [ids_of(page)]
    while page.newer:
        page = read(page.newer)
        back.insert(0, ids_of(page))
    assert back == pages
    return pages


def commands_of(engine: Engine, act: Callable[[], object]) -> dict[str, int]:
    """How often the server ran each command meanwhile, those inside of scripts included."""
    engine.redis.config_resetstat()
    act()
    stats = engine.redis.info("commandstats")
    calls = {name.removeprefix("cmdstat_"): stat["calls"] for name, stat in stats.items()}
    return {name: count for name, count in calls.items() if not name.startswith("config")}


def round_trips_of(engine: Engine, monkeypatch: pytest.MonkeyPatch, act: Callable[[], object]) -> int:
    """How often the client wrote and waited."""
    count = 0
    original = Client.read

    def read(client: Client, *commands: Any) -> list[Any]:
        nonlocal count
        count += 1
        return original(client, *commands)

    with monkeypatch.context() as patched:
        patched.setattr(Client, "read", read)
        act()
    return count


# The whole.


@pytest.mark.each_server
def test_snapshot_counts_every_place_and_the_books_balance(engine: Engine, inspector: Inspector) -> None:
    seed_everywhere(engine)
    engine.run(protocol.complete(engine.queue, [engine.lease(priority=9)]))
    snapshot = inspector.snapshot()
    (queue,) = snapshot.queues
    assert queue.counts == Counts(ready=2, held=1, scheduled=1, running=1, retrying=1, dead=1, trashed=1)
    assert queue.is_balanced
    assert (queue.books.tasks, queue.books.enqueued, queue.books.completed) == (8, 9, 1)
    assert snapshot.taken_at == engine.now
    assert snapshot.unreadable == {}


def test_queue_of_the_snapshot_is_the_queue_alone(engine: Engine, inspector: Inspector) -> None:
    seed_everywhere(engine)
    assert inspector.snapshot().queues == (inspector.queue("email"),)


def test_no_counter_that_is_kept_is_left_out_of_the_books(engine: Engine, inspector: Inspector) -> None:
    engine.seed("ready")
    for number, field in enumerate(fields(inspector.queue("email").books)):
        engine.redis.hset(engine.queue.stats, field.name, number)
    books = inspector.queue("email").books
    assert [getattr(books, field.name) for field in fields(books)][1:] == list(range(1, 10))


def test_counts_are_right_without_the_sentinel(engine: Engine, inspector: Inspector) -> None:
    engine.lease()
    engine.redis.zrem(engine.queue.leases, keys.SENTINEL)
    assert inspector.queue("email").counts.running == 1
    assert inspector.tasks("email", State.RUNNING).total == 1


def test_paused_queue_says_by_whom_and_why(engine: Engine, inspector: Inspector) -> None:
    engine.seed("ready")
    engine.run(protocol.pause(engine.queue, "ada", "maintenance"))
    assert inspector.queue("email").pause == Pause("ada", "maintenance", START_MS)


def test_queue_paused_by_something_unreadable_is_paused(engine: Engine, inspector: Inspector) -> None:
    engine.seed("ready")
    engine.redis.hset(engine.queue.control, "paused", b"\xff{")
    assert inspector.queue("email").pause == Pause("", "", 0)


def test_lanes_tell_how_many_tasks_they_hold(engine: Engine, inspector: Inspector) -> None:
    engine.seed("held")
    engine.seed("held", name="resize2")
    engine.run(protocol.close_lane(engine.queue, "name:send", "ada", "partner is down"))
    lanes = {lane.lane: lane for lane in inspector.queue("email").lanes}
    assert {name: (lane.held, lane.by, lane.reason, lane.is_open) for name, lane in lanes.items()} == {
        "unknown:resize": (1, "w1", "no worker knows this task", False),
        "unknown:resize2": (1, "w1", "no worker knows this task", False),
        "name:send": (0, "ada", "partner is down", False),
    }
    engine.run(protocol.open_lane(engine.queue, "unknown:resize", "ada"))
    assert {lane.lane: lane.is_open for lane in inspector.queue("email").lanes}["unknown:resize"]


def test_oldest_ready_task_is_found_behind_struck_out_ones(engine: Engine, inspector: Inspector) -> None:
    struck_out = engine.enqueue_many(60)
    oldest_at = engine.later(5_000)
    engine.enqueue()
    engine.later(5_000)
    engine.enqueue()
    engine.trash(*struck_out)
    assert inspector.queue("email").oldest_ready_at == oldest_at


@pytest.mark.parametrize("oldest", [-5, -1, 0, 1, 5])
def test_oldest_ready_task_is_found_in_any_priority(engine: Engine, inspector: Inspector, oldest: int) -> None:
    engine.enqueue(priority=oldest)
    for priority in (-7, -5, -1, 0, 1, 5, 7):
        engine.later(1_500)
        engine.enqueue(priority=priority)
    assert inspector.queue("email").oldest_ready_at == START_MS


def test_oldest_ready_time_of_an_id_that_a_user_chose_is_its_own(engine: Engine, inspector: Inspector) -> None:
    engine.enqueue("order-17")
    engine.later(60_000)
    assert inspector.queue("email").oldest_ready_at == START_MS
    assert inspector.peek("email")[0].at == START_MS


def test_next_due_time_is_the_earliest_of_both_places(engine: Engine, inspector: Inspector) -> None:
    engine.seed("scheduled")
    assert inspector.queue("email").next_due_at == START_MS + 60_000
    engine.seed("retrying")
    assert inspector.queue("email").next_due_at == START_MS + 1_000


def test_empty_queue_has_no_times(engine: Engine, inspector: Inspector) -> None:
    engine.claim()
    queue = inspector.queue("email")
    assert (queue.counts, queue.oldest_ready_at, queue.next_due_at) == (Counts(), None, None)


def test_snapshot_is_sorted_and_leaves_out_registered_names_without_a_queue(
    engine: Engine, inspector: Inspector, another: Callable[[str], Engine]
) -> None:
    for name in ("zoo", "alpha"):
        another(name).seed("ready")
    engine.client.register("never-used")
    assert [queue.name for queue in inspector.snapshot().queues] == ["alpha", "zoo"]


def test_queue_that_is_not_registered_is_found_by_its_name(engine: Engine, inspector: Inspector) -> None:
    engine.redis.delete(keys.queues("test"))
    task_id = engine.seed("ready")
    assert inspector.snapshot().queues == ()
    assert inspector.queue("email").counts.ready == 1
    assert inspector.task("email", task_id).state is State.READY


@pytest.mark.parametrize(
    "name",
    [name for name in dir(keys.QueueKeys) if isinstance(getattr(keys.QueueKeys, name), cached_property)],
)
def test_queue_with_a_key_of_a_wrong_type_is_unreadable_and_others_are_shown(
    engine: Engine, inspector: Inspector, another: Callable[[str], Engine], name: str
) -> None:
    another("fine").seed("ready")
    seed_everywhere(engine)
    key = getattr(engine.queue, name)
    engine.redis.delete(key)
    engine.redis.xadd(key, {"what": "a stream"})
    snapshot = inspector.snapshot()
    assert [queue.name for queue in snapshot.queues] == ["fine"]
    assert list(snapshot.unreadable) == ["email"]
    assert key in snapshot.unreadable["email"]
    with pytest.raises(CorruptQueue):
        inspector.queue("email")
    for read in (inspector.letters, inspector.trash, inspector.faults):
        read()  # of all queues: never an error
    assert inspector.find("some-task") == ()


def test_queue_of_another_format_is_unreadable(engine: Engine, inspector: Inspector) -> None:
    task_id = engine.seed("ready")
    engine.redis.hset(engine.queue.control, "format", "2")
    assert "format 2" in inspector.snapshot().unreadable["email"]
    with pytest.raises(FormatMismatch):
        inspector.task("email", task_id)


def test_registry_may_hold_anything(engine: Engine, inspector: Inspector) -> None:
    engine.seed("ready")
    engine.redis.sadd(keys.queues("test"), b"\xff\n", "a b", "}{")
    snapshot = inspector.snapshot()
    assert [queue.name for queue in snapshot.queues] == ["email"]
    assert snapshot.unreadable == dict.fromkeys([r"\xff ", "a b", "}{"], "this is not the name of a queue")


def test_registry_of_a_wrong_type_is_reported(engine: Engine, inspector: Inspector) -> None:
    engine.redis.set(keys.queues("test"), "x", keepttl=False)
    with pytest.raises(CorruptQueue, match="test:queues"):
        inspector.snapshot()
    with pytest.raises(CorruptQueue):
        inspector.letters()


@pytest.mark.parametrize("count", [1, 12])
def test_snapshot_takes_two_round_trips_and_two_scripts_a_queue(
    inspector: Inspector,
    engine: Engine,
    another: Callable[[str], Engine],
    monkeypatch: pytest.MonkeyPatch,
    count: int,
) -> None:
    engine.redis.delete(keys.queues("test"))
    for number in range(count):
        seed_everywhere(another(f"q{number}"))
    inspector.snapshot()  # by now the server knows the scripts
    commands = commands_of(engine, inspector.snapshot)
    assert commands["evalsha_ro"] == 2 * count
    assert (commands["smembers"], commands["mget"], commands["info"]) == (1, 1, 1)
    assert round_trips_of(engine, monkeypatch, inspector.snapshot) == 2


def test_snapshot_works_on_a_server_that_forgot_the_scripts(
    engine: Engine, inspector: Inspector, another: Callable[[str], Engine]
) -> None:
    for name in ("a", "b", "c"):
        seed_everywhere(another(name))
    engine.redis.script_flush()
    assert [queue.name for queue in inspector.snapshot().queues] == ["a", "b", "c"]


@pytest.mark.each_server
def test_full_server_can_be_read(engine: Engine, inspector: Inspector) -> None:
    tasks = seed_everywhere(engine)
    engine.redis.config_set("maxmemory", 1)
    assert inspector.snapshot().queues[0].counts.total == 8
    assert inspector.letters().total == 1
    assert inspector.task("email", tasks["dead"]).state is State.DEAD


@pytest.mark.each_server
def test_user_who_may_only_read_sees_everything(engine: Engine, server: EmbeddedServer) -> None:
    engine.seed("dead")
    engine.redis.execute_command(
        "ACL", "SETUSER", "reader", "on", ">secret", "~*", "+@read", "+time", "+eval_ro", "+evalsha_ro"
    )
    try:
        url = engine.url.replace("://", "://reader:secret@", 1)
        inspector = Inspector(url, "test")
        snapshot = inspector.snapshot()
        assert snapshot.queues[0].counts.dead == 1
        assert inspector.letters().total == 1
        assert snapshot.server.used_memory is None
        assert snapshot.server.is_saving_on is None
        inspector.close()
    finally:
        engine.redis.acl_deluser("reader")


@pytest.mark.each_server
def test_server_says_what_it_is_and_how_safe(engine: Engine, inspector: Inspector, server: EmbeddedServer) -> None:
    found = inspector.snapshot().server
    info = engine.redis.info()
    if "valkey_version" in info:
        assert (found.product, found.version) == ("Valkey", info["valkey_version"])
    else:
        assert (found.product, found.version) == ("Redis", info["redis_version"])
    assert found.used_memory
    assert (found.max_memory, found.eviction_policy, found.is_aof_on) == (0, "noeviction", True)
    saved = engine.redis.config_get("save")["save"]
    assert found.is_saving_on is bool(saved)
    engine.redis.config_set("save", "" if saved else "3600 1")
    assert inspector.snapshot().server.is_saving_on is not bool(saved)
    engine.redis.config_set("save", saved)


def test_server_that_is_away_is_told(namespace: str) -> None:
    inspector = Inspector("redis://127.0.0.1:1/0", namespace, patience_seconds=0)
    for read in (inspector.snapshot, inspector.workers, inspector.server_ms, inspector.letters):
        with pytest.raises(ServerUnavailable):
            read()
    with pytest.raises(ServerUnavailable):
        inspector.queue("email")


def test_server_time_is_the_servers(redis_url: str, namespace: str) -> None:
    inspector = Inspector(redis_url, namespace)
    before = inspector.server_ms()
    assert before <= inspector.snapshot().taken_at <= inspector.server_ms()
    inspector.close()


# Workers.

RECORD: dict[str, Any] = {
    "id": "web-1:77",
    "host": "web-1",
    "pid": 77,
    "queues": {"email": 3, "images": 1},
    "concurrency": 8,
    "state": "running",
    "version": "1.2.0",
    "started_at": START_MS - 60_000,
    "heartbeat_at": START_MS,
    "busy": 1,
    "completed": 41,
    "failed": 2,
    "memory_bytes": 51_200_000,
    "task_names": ["send", "resize"],
    "running": [{"queue": "email", "task_id": "abc", "task_name": "send", "started_at": START_MS - 10}],
    "something_newer": [1, 2],
}


def put_worker(engine: Engine, worker_id: str, record: bytes | None, heartbeat_at: float) -> None:
    engine.redis.zadd(keys.workers("test"), {worker_id: heartbeat_at})
    if record is not None:
        engine.redis.set(keys.worker("test", worker_id), record)


def test_worker_is_shown_as_it_described_itself(engine: Engine, inspector: Inspector) -> None:
    put_worker(engine, "web-1:77", json.dumps(RECORD).encode(), START_MS)
    (worker,) = inspector.workers()
    shown = {field.name: getattr(worker, field.name) for field in fields(worker)}
    assert {name: shown[name] for name in ("id", "host", "pid", "queues", "concurrency", "state", "version")} == {
        name: RECORD[name] for name in ("id", "host", "pid", "queues", "concurrency", "state", "version")
    }
    assert (worker.busy, worker.completed, worker.failed, worker.memory_bytes) == (1, 41, 2, 51_200_000)
    assert (worker.started_at, worker.heartbeat_at) == (START_MS - 60_000, START_MS)
    assert worker.task_names == ("send", "resize")
    assert [(task.queue, task.task_id, task.started_at) for task in worker.running] == [("email", "abc", START_MS - 10)]
    assert inspector.snapshot().workers == (worker,)


@pytest.mark.parametrize(
    "record",
    [
        None,
        b"",
        b"\xff\xfe",
        b"[]",
        b"null",
        b'{"pid": "many"}',
        b'{"queues": ["email"]}',
        b"{" * 100_000,
        b'{"running": [{"queue": 1}]}',
        b'{"host": "\xff"}',
    ],
)
def test_worker_that_cannot_be_read_is_shown_as_such(
    engine: Engine, inspector: Inspector, record: bytes | None
) -> None:
    put_worker(engine, "odd:1", record, START_MS)
    put_worker(engine, "web-1:77", json.dumps(RECORD).encode(), START_MS - 1)
    odd, fine = inspector.workers()
    assert (odd.id, odd.state, odd.heartbeat_at) == ("odd:1", "unreadable", START_MS)
    assert fine.state == "running"


def test_worker_record_of_a_wrong_type_is_shown_as_unreadable(engine: Engine, inspector: Inspector) -> None:
    put_worker(engine, "odd:1", None, START_MS)
    engine.redis.lpush(keys.worker("test", "odd:1"), "x")
    assert [worker.state for worker in inspector.snapshot().workers] == ["unreadable"]


def test_workers_without_a_heartbeat_for_an_hour_are_left_out(engine: Engine, inspector: Inspector) -> None:
    put_worker(engine, "late:1", json.dumps(RECORD).encode(), START_MS - 3_599_000)
    put_worker(engine, "gone:1", json.dumps(RECORD).encode(), START_MS - 3_600_000)
    put_worker(engine, "odd:1", None, float("inf"))
    assert [worker.id for worker in inspector.workers()] == ["late:1"]


# Lists.


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
    died = kill(engine, 23)
    engine.later(1)
    died += kill(engine, 4)
    pages = walk(lambda cursor: inspector.letters("email", cursor=cursor, limit=5))
    assert [task_id for page in pages for task_id in page] == list(reversed(died))
    assert [len(page) for page in pages] == [5, 5, 5, 5, 5, 2]


def test_next_page_begins_where_the_last_one_ended_whatever_came_and_went(engine: Engine, inspector: Inspector) -> None:
    died = list(reversed(kill(engine, 30)))
    page = inspector.letters("email", limit=10)
    letters = [(task_id, START_MS) for task_id in (*died[:3], *died[8:12])]
    engine.run(protocol.requeue(engine.queue, letters, {}))
    engine.claim(10)
    engine.later(1)
    kill(engine, 3)
    older = inspector.letters("email", cursor=page.older, limit=10)
    assert ids_of(older) == died[12:22]
    newer = inspector.letters("email", cursor=older.newer, limit=4)
    assert ids_of(newer) == died[4:8]


def test_page_behind_the_last_letter_leads_back(engine: Engine, inspector: Inspector) -> None:
    died = list(reversed(kill(engine, 8)))
    page = inspector.letters("email", limit=5)
    engine.run(protocol.requeue(engine.queue, [(task_id, START_MS) for task_id in died[5:]], {}))
    page = inspector.letters("email", cursor=page.older, limit=5)
    assert (page.rows, page.older, page.total) == ((), None, 5)
    assert ids_of(inspector.letters("email", cursor=page.newer, limit=5)) == died[:5]


def test_letters_of_a_fault_are_its_own(engine: Engine, inspector: Inspector) -> None:
    for _ in range(4):
        kill(engine, 3, "no answer")
        kill(engine, 3, "wrong address")
        engine.later(1)
    first, second = inspector.faults("email")
    letters = {}
    for fault in (first, second):
        read = partial(inspector.letters, "email", fingerprint=fault.fingerprint, limit=5)
        pages = walk(lambda cursor, read=read: read(cursor=cursor))  # type: ignore[misc]
        letters[fault.fingerprint] = [task_id for page in pages for task_id in page]
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
                died += [(each.now, each.queue.queue, task_id) for task_id in kill(each, 3)]
        for each in engines:
            each.later(step % 2)
    pages = walk(lambda cursor: inspector.letters(cursor=cursor, limit=4))
    ordered = sorted(died, key=lambda letter: letter[2], reverse=True)
    ordered.sort(key=lambda letter: (-letter[0], letter[1]))
    assert [task_id for page in pages for task_id in page] == [task_id for _, _, task_id in ordered]
    assert inspector.letters().total == len(died)


def test_many_queues_with_letters_share_a_page(
    engine: Engine, inspector: Inspector, another: Callable[[str], Engine]
) -> None:
    expected = []
    for number in range(12):
        each = another(f"q{number:02}")
        each.later(number)
        expected += [(each.now, task_id) for task_id in kill(each, 2)]
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
        kill(engine, 10)
        kill(large, 1_000)
        engine.later(1)
        large.later(1)
    reads: list[Callable[[str], Page]] = [
        inspector.letters,
        lambda name: inspector.letters(name, fingerprint=inspector.faults(name)[0].fingerprint),
    ]
    for read in reads:
        read("email")
        assert commands_of(engine, partial(read, "email")) == commands_of(engine, partial(read, "large"))
    assert round_trips_of(engine, monkeypatch, lambda: inspector.letters("large")) == 2
    assert round_trips_of(engine, monkeypatch, inspector.letters) == 4
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
        (2, inspector.workers),
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


# Some tasks, one task.


def test_summaries_tell_what_became_of_exactly_these(engine: Engine, inspector: Inspector) -> None:
    tasks = seed_everywhere(engine)
    completed = engine.lease(priority=9)
    engine.run(protocol.complete(engine.queue, [completed]))
    discarded = engine.lease(priority=9)
    engine.fail(discarded, protocol.DISCARD)
    wanted = [discarded.id, *reversed(tasks.values()), completed.id, "unknown", "no id", "", tasks["dead"]]
    found = inspector.summaries("email", wanted)
    assert [row.id for row in found] == [discarded.id, *reversed(tasks.values())]
    states = {row.id: row.state for row in found}
    assert states[discarded.id] is State.DISCARDED
    assert {place: states[task_id] for place, task_id in tasks.items()} == {
        **PLACES,
        "running": State.RUNNING,
        "trashed": State.TRASHED,
    }
    assert found[0].error == "ValueError: no answer"
    assert found[0].at == START_MS


def test_summaries_of_nothing_is_nothing_and_too_many_are_refused(engine: Engine, inspector: Inspector) -> None:
    engine.seed("ready")
    assert inspector.summaries("email", []) == ()
    assert inspector.summaries("email", [f"id-{n}" for n in range(200)]) == ()
    with pytest.raises(InvalidArgument, match="at most 200"):
        inspector.summaries("email", [f"id-{n}" for n in range(201)])


@pytest.mark.parametrize("place", PLACES)
def test_task_is_described_in_every_place(engine: Engine, inspector: Inspector, place: str) -> None:
    task_id = engine.seed(place, payload=b'{"to": 1}', max_retries=7, timeout=2.5)
    task = inspector.task("email", task_id)
    assert (task.id, task.queue, task.state) == (task_id, "email", PLACES[place])
    assert (task.payload_json, task.payload_bytes, task.unreadable) == ('{"to": 1}', 9, "")
    assert task.name == ("resize" if place == "held" else "send")
    assert task.enqueued_at == START_MS
    assert (task.max_retries, task.options["timeout"]) == (7, 2.5)
    assert task.priority == (5 if place == "prioritized" else 0)
    assert task.lane == ("unknown:resize" if place == "held" else "")
    assert task.at == {"held": None, "scheduled": START_MS + 60_000, "retrying": START_MS + 1_000}.get(place, START_MS)


def test_running_task_says_where_and_until_when(engine: Engine, inspector: Inspector) -> None:
    task_id = engine.lease().id
    task = inspector.task("email", task_id)
    assert (task.state, task.worker, task.at) == (State.RUNNING, "w1", START_MS)
    assert task.lease_expires_at == START_MS + LEASE_MS


def test_trashed_task_says_from_where_by_whom_and_why(engine: Engine, inspector: Inspector) -> None:
    task_id = engine.seed("prioritized")
    engine.trash(task_id)
    task = inspector.task("email", task_id)
    assert (task.state, task.at) == (State.TRASHED, START_MS + KEEP_MS)
    assert (task.trashed_from, task.trashed_by, task.trashed_reason) == ("ready", "ada", "test")


def test_history_of_a_task_is_told_in_order(engine: Engine, inspector: Inspector) -> None:
    held = engine.lease()
    engine.run(protocol.release(engine.queue, [ReleasedTask(held.id, held.fence, facts={"reason": "shutdown"})]))
    engine.later(10)
    claimed = engine.claim(1)
    engine.fail(Held(held.id, claimed.fence), protocol.DEAD)
    engine.later(10)
    engine.run(protocol.requeue(engine.queue, [(held.id, engine.now - 10)], {"by": "ada", "operation": "op-1"}))
    engine.later(10)
    claimed = engine.claim(1)
    engine.run(
        protocol.recover(engine.queue, LEASE_MS, held=[Held(held.id, claimed.fence)], evidence={"evidence": "SIGKILL"})
    )
    task = inspector.task("email", held.id)
    assert [(entry.at - START_MS, entry.kind) for entry in task.history] == [
        (0, "released"),
        (10, "failed"),
        (20, "requeued"),
        (30, "crashed"),
    ]
    assert task.history[1].facts["error"] == "ValueError: no answer"
    assert task.history[2].facts == {"by": "ada", "operation": "op-1"}
    assert task.history[3].facts["evidence"] == "SIGKILL"
    assert (task.attempts, task.attempts_before, task.crashes, task.releases) == (0, 1, 1, 1)
    assert inspector.summaries("email", [held.id])[0].error == "SIGKILL"


def test_requeued_task_is_ready_since_its_requeue(engine: Engine, inspector: Inspector) -> None:
    task_id = engine.seed("dead")
    engine.enqueue_many(600)
    engine.later(5_000)
    engine.run(protocol.requeue(engine.queue, [(task_id, START_MS)], {"by": "ada"}))
    requeued_at = engine.now
    assert inspector.task("email", task_id).at == requeued_at
    engine.later(5_000)
    engine.enqueue_many(600)
    assert inspector.task("email", task_id).at == requeued_at  # now it is in the middle of the list


def test_ready_time_in_the_middle_of_a_long_list_is_not_guessed(engine: Engine, inspector: Inspector) -> None:
    tasks = engine.enqueue_many(700)
    assert inspector.task("email", tasks[350]).at is None
    assert inspector.task("email", tasks[10]).at == inspector.task("email", tasks[690]).at == START_MS


def test_id_that_a_user_chose_tells_no_time_of_enqueueing(engine: Engine, inspector: Inspector) -> None:
    for task_id in ("order-17", "A" * 22, "z" * 22, "0" * 22):
        engine.enqueue(task_id)
        assert inspector.task("email", task_id).enqueued_at is None
        assert inspector.task("email", task_id).at == START_MS


def test_ended_task_is_described_as_long_as_its_record_is_kept(engine: Engine, inspector: Inspector) -> None:
    held = engine.lease(payload=b'{"n": 1}')
    engine.fail(held, trace="Traceback of the first attempt", digest="a")
    engine.later(1_000)
    claimed = engine.claim(1)
    engine.run(protocol.complete(engine.queue, [Held(held.id, claimed.fence, True)]))
    task = inspector.task("email", held.id)
    assert (task.state, task.at, task.worker) == (State.COMPLETED, engine.now, "w1")
    assert (task.payload_json, task.attempts, task.unreadable) == ('{"n": 1}', 1, "")
    assert [entry.kind for entry in task.history] == ["failed"]
    assert task.traceback == "Traceback of the first attempt"
    engine.redis.delete(engine.queue.record(held.id))
    with pytest.raises(UnknownTask):
        inspector.task("email", held.id)


def test_ended_task_with_a_large_payload_is_described_without_it(engine: Engine, inspector: Inspector) -> None:
    held = engine.lease(payload=b'"' + b"x" * 10_000 + b'"')
    engine.fail(held, protocol.DISCARD)
    task = inspector.task("email", held.id)
    assert (task.state, task.name, task.payload_json, task.payload_bytes) == (State.DISCARDED, "send", "", 10_002)
    assert task.unreadable == ""


def test_task_enqueued_again_is_the_one_that_is_shown(engine: Engine, inspector: Inspector) -> None:
    engine.fail(engine.lease("order-17"), protocol.DISCARD)
    assert inspector.task("email", "order-17").state is State.DISCARDED
    engine.enqueue("order-17")
    assert inspector.task("email", "order-17").state is State.READY


def test_traceback_is_the_tasks_own_where_its_frames_differ_and_else_its_faults(
    engine: Engine, inspector: Inspector
) -> None:
    tasks = []
    for digest, trace in (("a", "first"), ("b", "second"), ("a", "third")):
        held = engine.lease()
        engine.fail(held, protocol.DEAD, digest=digest, trace=trace)
        tasks.append(held.id)
    assert [inspector.task("email", task_id).traceback for task_id in tasks] == ["third", "second", "third"]
    (fault,) = inspector.faults("email")
    assert inspector.fault("email", fault.fingerprint) == (fault, "third")


def test_find_names_the_queues_that_know_a_task(
    engine: Engine, inspector: Inspector, another: Callable[[str], Engine]
) -> None:
    engine.enqueue("order-17")
    alpha = another("alpha")
    alpha.fail(alpha.lease("order-17"), protocol.DISCARD)
    another("zoo").enqueue("order-18")
    assert inspector.find("order-17") == ("alpha", "email")
    assert inspector.find("order-19") == ()
    for task_id in ("", "a b", "../x", "x" * 129, "é"):
        with pytest.raises(InvalidArgument):
            inspector.find(task_id)


# Faults.


def test_faults_are_counted_and_come_last_seen_first(
    engine: Engine, inspector: Inspector, another: Callable[[str], Engine]
) -> None:
    engine.seed("retrying")
    engine.later(10)
    kill(engine, 2, "no answer")
    engine.later(10)
    alpha = another("alpha")
    alpha.later(20)
    kill(alpha, 1, "wrong address 7", name="resize")
    newer, older = inspector.faults()
    assert (newer.queue, newer.title, newer.dead) == ("alpha", "ValueError: wrong address #", 1)
    assert (older.attempts, older.dead, older.retrying) == (3, 2, 1)
    assert (older.first_seen_at, older.last_seen_at) == (START_MS, START_MS + 10)
    assert inspector.snapshot().faults == (newer, older)
    assert inspector.faults("email") == (older,)


def test_versions_of_a_fault_are_listed(engine: Engine, inspector: Inspector) -> None:
    for version in ("1.0", "1.1"):
        engine.run(protocol.fail(engine.queue, [engine.failed(engine.lease(), protocol.DEAD)], version))
    assert inspector.faults("email")[0].versions == ("1.0", "1.1")


def test_snapshot_has_the_fifty_faults_last_seen_of_each_queue(engine: Engine, inspector: Inspector) -> None:
    for number in range(60):
        kill(engine, 1, chr(0x4E00 + number))
        engine.later(1)
    faults = inspector.faults("email")
    assert (len(faults), inspector.queue("email").fault_count) == (60, 60)
    assert inspector.snapshot().faults == faults[:50]


# What is not there, and what cannot be.


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
    ["", "x", "!!!!", "YQ", "a" * 2_000, "é", "\ud800", "YQBuYW4AZW1haWwAaWQ", "YwAxAGVtYWlsAGlk"],
)
@pytest.mark.parametrize("state", [State.READY, State.RUNNING, State.DEAD])
def test_texts_that_are_no_cursor_are_refused(engine: Engine, inspector: Inspector, state: State, cursor: str) -> None:
    engine.seed("ready")
    with pytest.raises(InvalidArgument, match="cursor"):
        inspector.tasks("email", state, cursor=cursor)


def test_cursor_of_another_list_is_harmless(engine: Engine, inspector: Inspector) -> None:
    kill(engine, 5)
    engine.enqueue_many(5)
    engine.lease(priority=9)
    engine.lease(priority=9)
    cursors = [inspector.tasks("email", state, limit=1).older for state in (State.READY, State.RUNNING, State.DEAD)]
    for state in list(State)[:8]:
        for cursor in cursors:
            inspector.tasks("email", state, cursor=cursor)


@pytest.mark.parametrize(
    "score", ["-inf", "inf", "-1", "1e300", "99999999999999999999", "5000000000000000000", "999999999999", "0.5"]
)
def test_cursor_at_the_end_of_the_world_is_harmless(engine: Engine, inspector: Inspector, score: str) -> None:
    kill(engine, 5)
    engine.enqueue_many(5)
    for side in ("after", "before"):
        cursor = str(Position(side, score.encode(), "email", b"x"))
        for state in list(State)[:8]:
            try:
                page = inspector.tasks("email", state, cursor=cursor)
            except InvalidArgument:
                continue
            assert page.total in (0, 5)
        inspector.letters(cursor=cursor)


@pytest.mark.parametrize("state", [State.COMPLETED, State.CANCELLED, State.EXPIRED, State.DISCARDED])
def test_ends_have_no_list(engine: Engine, inspector: Inspector, state: State) -> None:
    engine.seed("ready")
    with pytest.raises(InvalidArgument, match=state.value):
        inspector.tasks("email", state)


def test_fault_without_its_queue_is_refused(inspector: Inspector) -> None:
    with pytest.raises(InvalidArgument):
        inspector.letters(fingerprint="0123456789ab")


# Damage.

HOSTILE = [
    b"",
    b"\xff\xfe\x00\x01",
    b"send",
    b"\n",
    b" \n{}",
    b"<script>alert(1)</script>\n{}",
    b"send {not json}\n{}",
    b"send []\n{}",
    b'send {"priority": "high"}\n{}',
    b'send {"priority": 99999}\n{}',
    b'send {"max_retries": 1e400}\n{}',
    b'send {"max_retries": ' + b"9" * 5_000 + b"}\n{}",
    b"send\n",
    b"send\n{",
    b"send\n\xff\xff",
    b"send\n" + b"[" * 50_000,
    b'send\n"\\ud800"',
    b"send\n[1, 2, 3]",
    b"x" * 100_000,
    b"send " + b"x" * 100_000 + b"\n{}",
]


@pytest.mark.parametrize("envelope", HOSTILE, ids=lambda envelope: repr(envelope[:24]))
@pytest.mark.parametrize("place", ["ready", "dead", "scheduled", "held", "trashed"])
def test_envelope_that_cannot_be_read_is_shown_with_the_reason(
    engine: Engine, inspector: Inspector, envelope: bytes, place: str
) -> None:
    task_id = engine.seed(place)
    engine.redis.hset(engine.queue.tasks, task_id, envelope)
    state = State(place)
    (row,) = inspector.tasks("email", state).rows
    assert (row.id, row.state) == (task_id, state)
    assert len(row.payload) <= 120
    task = inspector.task("email", task_id)
    assert task.unreadable
    assert task.payload_json == ""
    check_is_shown(task)
    check_is_shown(row)


@pytest.mark.parametrize(
    "history",
    [
        b"",
        b"\xff",
        b"x y z",
        b"1 2 3 4 " + b"f" * 500 + b"\n",
        b"9999999999999999999999 0 0 0 -\n",
        b"1 0 0 0 abc\nno time failed {}\n",
        b"1 0 0 0 abc\n99999999999999999999 failed {}\n",
        b"1 0 0 0 abc\n1763770000000 failed \xff\xfe\n",
        b"1 0 0 0 abc\n1763770000000 failed [1]\n",
        b'1 0 0 0 abc\n1763770000000 failed {"error": {"a": [1, 2]}, "worker": null, "n": ' + b"9" * 4_400 + b"}\n",
        b'1 0 0 0 abc\n1763770000000 failed {"error": "\x1b[31m"}\n',
        b"1 0 0 0 abc\n1763770000000",
        b"1 0 0 0 abc\n" + b"1763770000000 failed {}\n" * 2_000,
    ],
    ids=lambda history: repr(history[:40]),
)
def test_history_may_hold_anything(engine: Engine, inspector: Inspector, history: bytes) -> None:
    task_id = engine.seed("dead")
    engine.redis.hset(engine.queue.history, task_id, history)
    engine.redis.hset(engine.queue.history, f":{task_id}", b"\xff\x00trace")
    (row,) = inspector.letters().rows
    task = inspector.task("email", task_id)
    assert (row.state, task.state, task.traceback) == (State.DEAD, State.DEAD, "\\xff\x00trace")
    check_is_shown(row)
    check_is_shown(task)


def test_places_may_hold_anything(engine: Engine, inspector: Inspector) -> None:
    odd = [b"", b"\xff\xfe", b"<script>", b"a/b", b"a:b", b"x" * 5_000, b"a b\n"]
    engine.seed("ready")
    for member in odd:
        for place in ("dead", "scheduled", "retrying", "held", "blocked", "trash", "prioritized", "leases"):
            engine.redis.zadd(getattr(engine.queue, place), {member: START_MS})
        engine.redis.hset(engine.queue.running, member, b"\xff")
        engine.redis.hset(engine.queue.trashed, member, b"\xff")
        engine.redis.hset(engine.queue.closed, member, b"\xff")
        engine.redis.rpush(engine.queue.ready, member)
        engine.redis.sadd(engine.queue.removed, member + b"!")
        engine.redis.zadd(engine.queue.dead_by_fault, {b"abc:" + member: 0})
        engine.redis.hset(engine.queue.faults, member, b"\xff")
        engine.redis.zadd(engine.queue.faults_seen, {member: START_MS})
        engine.redis.hset(engine.queue.stats, member, b"\xff")
    for infinite in ("inf", "-inf"):
        for place in ("dead", "scheduled", "leases", "prioritized", "trash"):
            engine.redis.zadd(getattr(engine.queue, place), {f"at{infinite}": infinite})
    engine.redis.hset(engine.queue.stats, "enqueued", b"many")
    snapshot = inspector.snapshot()
    assert not snapshot.queues[0].is_balanced
    assert inspector.letters().total == len(odd) + 2
    for state in list(State)[:8]:
        for row in inspector.tasks("email", state).rows:
            check_is_shown(row)
    inspector.letters("email", fingerprint="abc")
    inspector.trash()
    inspector.faults()
    inspector.peek("email")
    inspector.summaries("email", ["atinf", "at-inf", "a"])
    check_is_shown(inspector.task("email", "at-inf"))
    for read in (inspector.queue("email"), snapshot):
        check_is_shown(read)


def test_letter_without_a_task_is_shown_and_says_so(engine: Engine, inspector: Inspector) -> None:
    task_id = engine.seed("dead")
    engine.redis.hdel(engine.queue.tasks, task_id)
    (row,) = inspector.letters().rows
    assert (row.id, row.name, row.error) == (task_id, "", "ValueError: no answer")
    assert inspector.task("email", task_id).unreadable == "it stands in dead, and nothing is stored for it"


@pytest.mark.parametrize("info", [b"", b"\xff", b"[]", b'{"first": "long ago", "class": ["x"], "task": 7}'])
def test_fault_may_hold_anything(engine: Engine, inspector: Inspector, info: bytes) -> None:
    engine.seed("dead")
    (fault,) = inspector.faults("email")
    engine.redis.hset(engine.queue.faults, fault.fingerprint, info)
    engine.redis.hset(engine.queue.faults, f"{fault.fingerprint}:attempts", b"\xff")
    engine.redis.hset(engine.queue.faults, f"{fault.fingerprint}:versions", b"\xff\n\n" + b"9" * 900)
    engine.redis.hset(engine.queue.faults, f"{fault.fingerprint}:traceback", b"\xfftrace")
    found = inspector.faults("email")
    if not info:
        assert found == ()
        return
    assert (found[0].dead, found[0].first_seen_at, found[0].last_seen_at) == (1, START_MS, START_MS)
    assert inspector.fault("email", fault.fingerprint) == (found[0], r"\xfftrace")
    check_is_shown(found[0])


@pytest.mark.parametrize("state", [b"", b"dead", b"\xff", b"flying"])
def test_record_may_hold_anything(engine: Engine, inspector: Inspector, state: bytes) -> None:
    held = engine.lease()
    engine.fail(held, protocol.DISCARD)
    record = engine.queue.record(held.id)
    for name in (b"at", b"worker", b"bytes", b"envelope", b"history", b"traceback"):
        engine.redis.hset(record, name, b"\xff\n\x00")
    engine.redis.hset(record, "state", state)
    check_is_shown(inspector.task("email", held.id))
    engine.redis.delete(record)
    engine.redis.set(record, "no hash")
    with pytest.raises(UnknownTask):
        inspector.task("email", held.id)
    assert inspector.summaries("email", [held.id]) == ()


def check_is_shown(value: object) -> None:
    """Every text in it can be sent as UTF-8 and every number be written as JSON."""
    text = repr(value).encode()
    assert len(text) < 200_000
    if isinstance(value, TaskDetail | TaskSummary):
        assert value.at is None or 0 < value.at < 253_402_300_800_000
