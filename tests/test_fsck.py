"""Checking and repairing: every kind of damage is found, named, and put in order; a sound queue stays as it is."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator

import pytest

from queue_core import fsck, keys, protocol
from queue_core.errors import UnknownQueue
from queue_core.fsck import Breach, judge
from queue_core.protocol import Argument, Session
from queue_core.schedules import Schedules
from tests.engine import PLACES, Engine

Damage = Callable[[Engine, dict[str, str]], None]


@pytest.fixture
def engine(redis_url: str) -> Iterator[Engine]:
    engine = Engine(redis_url)
    yield engine
    engine.close()


def full_queue(engine: Engine) -> dict[str, str]:
    """A queue with a task in each place. Shape: place → id; `first` and `last` stand in the list."""
    placed = {place: engine.seed(place) for place in PLACES[:-1]}
    placed["struck out"] = engine.enqueue()
    engine.trash(placed["struck out"])
    placed["first"], placed["last"] = engine.enqueue_many(2)
    engine.check_books()
    return placed


def damage_orphan_in_list(engine: Engine, placed: dict[str, str]) -> None:
    engine.redis.hdel(engine.queue.tasks, placed["first"])


def damage_orphans_elsewhere(engine: Engine, placed: dict[str, str]) -> None:
    engine.redis.hdel(engine.queue.tasks, placed["dead"], placed["scheduled"], placed["held"], placed["trashed"])


def damage_lost_element(engine: Engine, placed: dict[str, str]) -> None:
    engine.redis.lrem(engine.queue.ready, 0, placed["first"])


def damage_lost_from_a_sorted_place(engine: Engine, placed: dict[str, str]) -> None:
    engine.redis.zrem(engine.queue.scheduled, placed["scheduled"])
    engine.redis.zrem(engine.queue.held, f"unknown:resize/{placed['held']}")


def damage_in_two_places(engine: Engine, placed: dict[str, str]) -> None:
    engine.redis.zadd(engine.queue.scheduled, {placed["last"]: engine.now})
    engine.redis.zadd(engine.queue.prioritized, {placed["dead"]: 1})
    engine.redis.rpush(engine.queue.ready, placed["running"])


def damage_twice_in_the_list(engine: Engine, placed: dict[str, str]) -> None:
    engine.redis.rpush(engine.queue.ready, placed["first"])


def damage_lease_without_claim(engine: Engine, placed: dict[str, str]) -> None:
    engine.redis.hdel(engine.queue.running, placed["running"])


def damage_claim_without_lease(engine: Engine, placed: dict[str, str]) -> None:
    engine.redis.hset(engine.queue.running, placed["first"], f"1 {engine.now}  w1")


def damage_trash_without_origin(engine: Engine, placed: dict[str, str]) -> None:
    engine.redis.hdel(engine.queue.trashed, placed["struck out"])


def damage_tombstone_without_element(engine: Engine, placed: dict[str, str]) -> None:
    engine.redis.lrem(engine.queue.ready, 0, placed["struck out"])


def damage_letter_without_fault(engine: Engine, placed: dict[str, str]) -> None:
    engine.redis.delete(engine.queue.dead_by_fault)


def damage_letter_of_a_task_that_is_not_dead(engine: Engine, placed: dict[str, str]) -> None:
    engine.redis.zadd(engine.queue.dead_by_fault, {f"0123456789ab:{engine.now}:{placed['first']}": 0})


def damage_history_of_nobody(engine: Engine, placed: dict[str, str]) -> None:
    engine.redis.hset(engine.queue.history, "nobody", "1 0 0 0 -\n")


def damage_request_to_a_task_that_does_not_run(engine: Engine, placed: dict[str, str]) -> None:
    engine.redis.hset(engine.queue.cancelling, mapping={placed["first"]: "{}", "nobody": "{}"})


def damage_books(engine: Engine, placed: dict[str, str]) -> None:
    engine.redis.hincrby(engine.queue.stats, "completed", 3)


def damage_miscounted_fault(engine: Engine, placed: dict[str, str]) -> None:
    (fault,) = engine.state()["faults_seen"]
    engine.redis.hset(engine.queue.faults, mapping={f"{fault}:retrying": 7, f"{fault}:trashed": "garbage"})


def damage_expiry_of_no_task(engine: Engine, placed: dict[str, str]) -> None:
    engine.redis.zadd(engine.queue.expiring, {placed["dead"]: engine.now, "nobody": engine.now})


def damage_unique_key_of_no_task(engine: Engine, placed: dict[str, str]) -> None:
    holders = {"of nobody": "nobody 0", "of another": f"{placed['first']} 0", "of garbage": "garbage"}
    engine.redis.hset(engine.queue.unique, mapping=holders)


def damage_windows_of_unique_keys(engine: Engine, placed: dict[str, str]) -> None:
    over, later = engine.now - 1, engine.now + 60_000
    engine.redis.hset(engine.queue.unique, mapping={"over": f"gone {over}", "not over": f"gone {later}"})
    engine.redis.zadd(engine.queue.unique_expiring, {"of nobody": later})
    held = engine.enqueue(unique_key="until done")
    engine.redis.zadd(engine.queue.unique_expiring, {"until done": later})
    assert held


def damage_operation_that_is_gone(engine: Engine, placed: dict[str, str]) -> None:
    begin(engine, "0123456789ab")
    begin(engine, "1123456789ab")
    engine.run(protocol.switch_operation(engine.queue, "1123456789ab", "cancel", ""))
    engine.redis.delete(engine.queue.operation("0123456789ab"), engine.queue.operation("1123456789ab"))


def damage_outcomes_of_an_operation_that_is_gone(engine: Engine, placed: dict[str, str]) -> None:
    engine.redis.hset(engine.queue.outcomes, mapping={"0123456789ab:completed": 0, "0123456789ab:failed": 3})


def damage_operation_that_is_not_listed(engine: Engine, placed: dict[str, str]) -> None:
    for name in ("0123456789ab", "1123456789ab", "2123456789ab"):
        begin(engine, name)
    engine.run(protocol.switch_operation(engine.queue, "1123456789ab", "cancel", ""))
    engine.redis.zrem(engine.queue.operations, "0123456789ab", "1123456789ab")
    engine.redis.zadd(engine.queue.operations, {"2123456789ab": engine.now})


def begin(engine: Engine, name: str) -> None:
    facts: dict[str, str | int] = {"verb": "requeue", "of": "dead", "place": "dead", "until": engine.now, "count": 9}
    assert engine.run(protocol.start_operation(engine.queue, name, facts, counts_outcome=True)).has_changed


DAMAGES = {name.removeprefix("damage_"): make for name, make in dict(globals()).items() if name.startswith("damage_")}


def test_sound_queue_has_no_breach_and_is_not_changed(engine: Engine) -> None:
    full_queue(engine)
    before = engine.check_books()
    assert list(fsck.check(engine.client, "email", repair=True)) == []
    assert engine.state() == before


@pytest.mark.parametrize("name", DAMAGES)
def test_damage_is_found_named_and_put_in_order(engine: Engine, name: str) -> None:
    DAMAGES[name](engine, full_queue(engine))
    damaged = engine.state()
    found = list(fsck.check(engine.client, "email"))
    assert found
    assert all(breach.what and not breach.repaired for breach in found)
    assert engine.state() == damaged
    repaired = list(fsck.check(engine.client, "email", repair=True))
    assert [breach.task_id for breach in repaired if breach.task_id] == [b.task_id for b in found if b.task_id]
    assert all(breach.repaired for breach in repaired if breach.task_id)
    assert list(fsck.check(engine.client, "email")) == []
    engine.check_books()


@pytest.mark.parametrize("name", DAMAGES)
def test_only_looking_says_what_is_to_be_done_and_changes_nothing(engine: Engine, name: str) -> None:
    DAMAGES[name](engine, full_queue(engine))
    damaged = engine.state()
    ids = [breach.task_id for breach in fsck.check(engine.client, "email") if breach.task_id]
    places = {"h": damaged.get("held", {}), "f": damaged.get("dead_by_fault", {})}
    met: dict[str, list[tuple[str, Argument]]] = {
        task_id: [("Q", 0)] + [(p, member) for p in places for member in places[p] if member.endswith(task_id)]
        for task_id in ids
    }
    told = engine.run(protocol.repair(engine.queue, met, b"", only_look=True))
    assert engine.state() == damaged
    assert list(told) == ids
    assert told == engine.run(protocol.repair(engine.queue, met, b""))
    assert all(told.values())


def test_task_that_stood_nowhere_is_given_out_again(engine: Engine) -> None:
    placed = full_queue(engine)
    damage_lost_element(engine, placed)
    (breach,) = [b for b in fsck.check(engine.client, "email", repair=True) if b.task_id]
    assert breach == Breach("email", placed["first"], "is a task and stands nowhere", "stood nowhere: ready again")
    assert placed["first"] in [task.id for task in engine.claim(10).tasks]


def test_unique_key_that_nobody_gives_back_is_free(engine: Engine) -> None:
    damage_unique_key_of_no_task(engine, full_queue(engine))
    found = list(fsck.check(engine.client, "email", repair=True))
    assert Breach("email", "", "unique key of nobody is held by nobody, which is no task", "given back") in found
    assert len(found) == 3
    assert "unique" not in engine.check_books()


def test_windows_of_unique_keys_stand_in_both_places_or_none(engine: Engine) -> None:
    damage_windows_of_unique_keys(engine, full_queue(engine))
    assert len(list(fsck.check(engine.client, "email", repair=True))) == 4
    state = engine.check_books()
    assert state["unique_expiring"] == {"not over": engine.now + 60_000}
    assert sorted(state["unique"]) == ["not over", "until done"]


def test_unique_keys_of_healthy_holders_are_left_alone(engine: Engine) -> None:
    for place in ("dead", "trashed", "running", "scheduled"):
        engine.seed(place, unique_key=f"of {place}")
    done = engine.lease(unique_key="for a time", unique_for=60)
    engine.run(protocol.complete(engine.queue, [done]))
    engine.later(60_000)  # the next such key drops it
    before = engine.check_books()
    assert list(fsck.check(engine.client, "email", repair=True)) == []
    assert engine.state() == before


def test_operations_are_listed_as_what_they_are_and_those_that_are_gone_are_forgotten(engine: Engine) -> None:
    placed = full_queue(engine)
    damage_operation_that_is_not_listed(engine, placed)
    engine.redis.delete(engine.queue.operation("2123456789ab"))
    assert len(list(fsck.check(engine.client, "email", repair=True))) == 3
    state = engine.check_books()
    assert state["operations"] == {"0123456789ab": -engine.now, "1123456789ab": engine.now}
    assert {name.partition(":")[0] for name in state["outcomes"]} == {"0123456789ab", "1123456789ab"}


def test_operation_that_ended_long_ago_may_still_be_listed(engine: Engine) -> None:
    full_queue(engine)
    begin(engine, "0123456789ab")
    engine.run(protocol.switch_operation(engine.queue, "0123456789ab", "cancel", ""))
    engine.redis.delete(engine.queue.operation("0123456789ab"))
    engine.later(7 * 86_400_000 - 1)
    assert len(list(fsck.check(engine.client, "email"))) == 1
    engine.later(1)
    assert list(fsck.check(engine.client, "email")) == []


def test_operation_of_a_wrong_type_is_named(engine: Engine) -> None:
    full_queue(engine)
    begin(engine, "0123456789ab")
    engine.redis.delete(engine.queue.operation("0123456789ab"))
    engine.redis.set(engine.queue.operation("0123456789ab"), "text")
    found = list(fsck.check(engine.client, "email", repair=True))
    assert found == [Breach("email", "", "operation 0123456789ab is a string and should be a hash")]


def test_thousands_of_unique_keys_are_walked_in_slices(engine: Engine) -> None:
    full_queue(engine)
    engine.redis.hset(engine.queue.unique, mapping={f"key {number}": "nobody 0" for number in range(3_000)})
    assert len(list(fsck.check(engine.client, "email", repair=True))) == 3_000
    assert "unique" not in engine.check_books()


def test_fault_that_miscounts_says_what_it_said_and_what_is_right(engine: Engine) -> None:
    damage_miscounted_fault(engine, full_queue(engine))
    (fault,) = engine.state()["faults_seen"]
    found = list(fsck.check(engine.client, "email", repair=True))
    assert found == [
        Breach("email", "", f"fault {fault} says that 7 of its tasks wait for a retry, and it is 1", "it says 1"),
        Breach("email", "", f"fault {fault} says that garbage of its tasks lie in the trash, and it is 1", "it says 1"),
    ]


def test_thousands_of_tasks_are_walked_in_slices(engine: Engine) -> None:
    ids = engine.enqueue_many(3 * fsck.SLICE + 7)
    engine.redis.lrem(engine.queue.ready, 0, ids[400])
    seen: dict[str, int] = {}
    (breach, books) = fsck.check(engine.client, "email", on_progress=seen.__setitem__)
    assert (breach.task_id, seen["ready"], books.task_id) == (ids[400], len(ids) - 1, "")


def test_list_is_walked_once_for_many_suspects(engine: Engine) -> None:
    ids = engine.enqueue_many(2 * fsck.SUSPECTS)
    engine.redis.hdel(engine.queue.tasks, *ids[::2])
    engine.redis.config_resetstat()
    found = [breach for breach in fsck.check(engine.client, "email", repair=True) if breach.task_id]
    assert [breach.task_id for breach in found] == ids[::2]
    slices = fsck.LOOKS * (len(ids) // fsck.SLICE + 1)
    assert engine.redis.info("commandstats")["cmdstat_lrange"]["calls"] <= slices + len(ids) // 1_000 + 1
    assert engine.redis.info("commandstats")["cmdstat_lrem"]["calls"] == 1
    assert engine.redis.llen(engine.queue.ready) == len(ids) // 2
    assert list(fsck.check(engine.client, "email")) == []


def test_list_is_not_walked_for_suspects_that_are_not_in_it(engine: Engine) -> None:
    ids = engine.kill(30)
    engine.enqueue_many(3)
    engine.redis.delete(engine.queue.dead_by_fault)
    engine.redis.config_resetstat()
    found = [breach for breach in fsck.check(engine.client, "email", repair=True) if breach.task_id]
    assert sorted(breach.task_id for breach in found) == sorted(ids)
    assert engine.redis.info("commandstats")["cmdstat_lrange"]["calls"] == fsck.LOOKS + 1  # and the snapshot's
    engine.check_books()


def test_member_of_a_lane_or_a_fault_that_is_not_its_own_leaves(engine: Engine) -> None:
    placed = full_queue(engine)
    engine.redis.zadd(engine.queue.held, {f"unknown:other/{placed['first']}": 0, "name:send/nobody": 0})
    engine.redis.zadd(engine.queue.dead_by_fault, {f"0123456789ab:{engine.now}:{placed['dead']}": 0})
    found = {breach.task_id: breach for breach in fsck.check(engine.client, "email", repair=True)}
    assert found.keys() == {placed["first"], "nobody", placed["dead"]}
    assert all(breach.repaired for breach in found.values())
    engine.check_books()


def test_long_list_is_put_in_order_while_it_moves(engine: Engine) -> None:
    ids = engine.enqueue_many(21_000)
    moved: set[int] = set()

    def move(walk: str, count: int) -> None:
        """Behind the walk over the list and before what it found is put in order, so that all of it has moved."""
        if walk == "removed" and len(moved) < fsck.LOOKS:
            moved.add(len(moved))
            engine.later(1)
            engine.enqueue_many(300)
            claimed = engine.claim(100)
            given_back = [protocol.ReleasedTask(task.id, claimed.fence) for task in claimed.tasks[:30]]
            engine.run(protocol.release(engine.queue, given_back))

    alone, nowhere, twice, elsewhere = ids[9_000:10_100:10], ids[11_000], ids[12_000], ids[13_000]
    engine.redis.hdel(engine.queue.tasks, *alone)
    engine.redis.lrem(engine.queue.ready, 1, nowhere)
    engine.redis.linsert(engine.queue.ready, "before", ids[19_000], twice)
    engine.redis.zadd(engine.queue.scheduled, {elsewhere: engine.now + 3_600_000})
    engine.redis.config_resetstat()
    found = {b.task_id: b for b in fsck.check(engine.client, "email", repair=True, on_progress=move) if b.task_id}
    assert moved == set(range(fsck.LOOKS))
    assert found.keys() == {*alone, nowhere, twice, elsewhere}
    assert all(breach.repaired for breach in found.values())
    assert list(fsck.check(engine.client, "email")) == []
    state = engine.check_books()
    assert state["ready"].count(twice) == 1
    assert state["ready"][-1] == nowhere
    assert elsewhere not in state["ready"]


def test_queue_that_works_meanwhile_has_no_breach(engine: Engine) -> None:
    """Tasks that move between two slices are not called lost."""
    engine.enqueue_many(2_000)
    is_over = threading.Event()

    def work() -> None:
        busy = Engine(engine.url)
        busy.session = Session()
        while not is_over.is_set():
            busy.later(1)
            claimed = busy.claim(20)
            held = [protocol.Held(task.id, claimed.fence) for task in claimed.tasks]
            if held:
                busy.run(protocol.complete(busy.queue, held[:10]))
                busy.run(protocol.release(busy.queue, [protocol.ReleasedTask(t.id, t.fence) for t in held[10:]]))
            busy.run(protocol.enqueue(busy.queue, [busy.new_task(f"more-{busy.now}-{i}") for i in range(10)]))
        busy.close()

    worker = threading.Thread(target=work)
    worker.start()
    try:
        for _ in range(3):
            assert list(fsck.check(engine.client, "email")) == []
    finally:
        is_over.set()
        worker.join()


def test_unknown_queue_is_said(engine: Engine) -> None:
    with pytest.raises(UnknownQueue):
        list(fsck.check(engine.client, "nothing"))


@pytest.mark.parametrize(
    ("letters", "in_list", "what"),
    [
        ("T", 1, ""),
        ("TM", 1, "is a task and stands nowhere"),
        ("TMXY", 1, ""),
        ("TLUN", 0, ""),
        ("TDFN", 0, ""),
        ("T", 0, "is a task and stands nowhere"),
        ("", 0, ""),
        ("", 1, "is no task and stands in ready"),
        ("NY", 0, "is no task and stands in trashed, history"),
        ("TP", 1, "stands in prioritized and ready"),
        ("TSR", 0, "stands in scheduled and retrying"),
        ("T", 2, "stands in the list more than once"),
        ("TXYM", 0, "is struck out of the list and is not in it"),
        ("TL", 0, "has a lease and no claim"),
        ("TPU", 0, "has a claim and no lease"),
        ("TX", 0, "is in the trash without its origin"),
        ("TSY", 0, "has an origin and is not in the trash"),
        ("TLUC", 0, ""),
        ("TSC", 0, "was asked to stop and does not run"),
        ("C", 0, "is no task and stands in cancelling"),
        ("TSE", 0, ""),
        ("TDFE", 0, "is dead and can expire"),
        ("E", 0, "is no task and stands in expiring"),
        ("TD", 0, "is a dead letter of no fault"),
        ("TSf", 0, "is a letter of a fault and not dead"),
        ("TDFf", 0, "is a letter of a fault that is not its own"),
        ("f", 0, "is no task and stands in dead_by_fault"),
        ("Th", 0, ""),
        ("THh", 0, "stands in held and held"),
        ("h", 0, "is no task and stands in held"),
    ],
)
def test_judgement(letters: str, in_list: int, what: str) -> None:
    assert judge(letters, in_list) == what


def test_note_of_a_schedule_that_is_gone_is_found_and_dropped(engine: Engine) -> None:
    engine.enqueue("one")
    schedules = Schedules(client=engine.client)
    for name, queue in (("here", "email"), ("elsewhere", "images")):
        schedules.add(name, "send", queue=queue, every=60, by="ada", action_id=name)
    engine.redis.hset(keys.schedules(engine.client.namespace), "damaged", "{}")
    for noted in (b"here", b"elsewhere", b"damaged", b"gone", b"\xff"):
        engine.redis.hset(engine.queue.occurrences, noted, f"{engine.now} one made")
    found = list(fsck.check(engine.client, "email"))
    assert [breach.what for breach in found] == [
        "an occurrence is noted of elsewhere, which is no schedule of it",
        "an occurrence is noted of gone, which is no schedule of it",
        "an occurrence is noted of \\xff, which is no schedule of it",
    ]
    assert {breach.repaired for breach in fsck.check(engine.client, "email", repair=True)} == {"dropped"}
    assert set(engine.state()["occurrences"]) == {"here", "damaged"}
    assert list(fsck.check(engine.client, "email")) == []
