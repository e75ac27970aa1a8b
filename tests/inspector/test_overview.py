"""The whole and each queue of it, on a real server: compared with what was seeded."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields
from functools import cached_property

import pytest

from queue_core import keys, protocol
from queue_core.embedded import EmbeddedServer
from queue_core.errors import CorruptQueue, FormatMismatch, ServerUnavailable
from queue_core.inspector import Inspector
from queue_core.snapshot import Counts, Pause, State
from tests.engine import START_MS, Engine
from tests.inspector.harness import commands_of, round_trips_of, seed_everywhere


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
def test_snapshot_takes_two_round_trips_and_two_scripts_a_queue_that_has_changed(
    inspector: Inspector,
    engine: Engine,
    another: Callable[[str], Engine],
    monkeypatch: pytest.MonkeyPatch,
    count: int,
) -> None:
    engine.redis.delete(keys.queues("test"))
    made = [another(f"q{number}") for number in range(count)]
    for queue in made:
        seed_everywhere(queue)
    inspector.snapshot()  # by now the server knows the scripts
    made[0].enqueue()
    commands = commands_of(engine, inspector.snapshot)
    assert commands["evalsha_ro"] == 2
    assert commands["hget"] == count
    assert (commands["smembers"], commands["info"], "mget" in commands) == (1, 1, False)
    assert round_trips_of(engine, monkeypatch, inspector.snapshot) == 1
    made[0].enqueue()
    assert round_trips_of(engine, monkeypatch, inspector.snapshot) == 2
    assert commands_of(engine, Inspector(client=engine.client).snapshot)["evalsha_ro"] == 2 * count


@pytest.mark.parametrize("count", [0, 50, 400])
def test_queue_that_has_changed_costs_a_snapshot_less_than_fifty_commands_and_one_a_fault(
    engine: Engine, inspector: Inspector, count: int
) -> None:
    """Its own ones, and what the server and its workers are asked."""
    for number in range(count):
        engine.kill(1, chr(0x4E00 + number))
    engine.enqueue()
    inspector.snapshot()
    engine.enqueue()
    commands = commands_of(engine, inspector.snapshot)
    assert sum(commands.values()) - commands.get("zlexcount", 0) <= 60
    assert commands.get("zlexcount", 0) == min(count, 50)


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
