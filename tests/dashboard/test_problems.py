"""What is wrong, as tables: a snapshot and what was seen before → the lines of the overview."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from dashboard.live import View
from dashboard.problem import HeldTask, Kind
from dashboard.problems import (
    Observations,
    find_problems,
    first_lines,
    held_tasks,
    live_by_queue,
    live_workers,
    shown_workers,
    unsafe_settings,
    worker_condition,
)
from queue_core.snapshot import (
    STALE_MS,
    Books,
    Counts,
    Fault,
    Lane,
    Limits,
    Mute,
    Pause,
    QueueSnapshot,
    ScheduleSnapshot,
    ServerSnapshot,
    Snapshot,
    WorkerSnapshot,
)

NOW = 1_700_000_000_000
SECOND, MINUTE, HOUR = 1_000, 60_000, 3_600_000
RISING = ((NOW - NOW % MINUTE, 5), (NOW - NOW % MINUTE - 2 * MINUTE, 10))
"""Attempts by time."""
SERVER = ServerSnapshot("Valkey", "9.1.2", 1_000, 0, "noeviction", True, False)


def queue(name: str = "images", **about: Any) -> QueueSnapshot:
    counts = Counts(**{key: about.pop(key) for key in ("ready", "dead", "running", "held") if key in about})
    books = Books(tasks=counts.total, enqueued=counts.total)
    return QueueSnapshot(name=name, counts=counts, books=books, **about)


def worker(
    host: str = "web-7", *, queues: tuple[str, ...] = ("images",), silent_ms: int = 0, **about: Any
) -> WorkerSnapshot:
    return WorkerSnapshot(
        id=host,
        host=host,
        pid=1,
        queues=dict.fromkeys(queues, 1),
        concurrency=4,
        state=about.pop("state", "running"),
        version="1.0",
        started_at=NOW - HOUR,
        heartbeat_at=NOW - silent_ms,
        **about,
    )


def fault(queue: str = "billing", *, age_ms: int = 12 * MINUTE, attempts: int = 3, **about: Any) -> Fault:
    return Fault(
        queue=queue,
        fingerprint=about.pop("fingerprint", "7f3a"),
        task_name="charge",
        error_class=about.pop("error_class", "ConnectionError"),
        message=about.pop("message", "refused"),
        frame="",
        first_seen_at=NOW - age_ms,
        last_seen_at=NOW - about.pop("over_ms", 0),
        attempts=attempts,
        dead=about.pop("dead", 1),
        retrying=about.pop("retrying", 0),
        **about,
    )


def snapshot(*queues: QueueSnapshot, workers: Any = (), faults: Any = (), server: ServerSnapshot = SERVER) -> Snapshot:
    return Snapshot(NOW, server, tuple(queues), tuple(workers), tuple(faults))


def kinds(taken: Snapshot, seen: Observations | None = None) -> list[Kind]:
    return [problem.kind for problem in find_problems(taken, seen or Observations(), NOW)]


def test_nothing_is_wrong_with_a_queue_that_is_worked() -> None:
    assert kinds(snapshot(queue(ready=5, oldest_ready_at=NOW - SECOND), workers=[worker()])) == []


@pytest.mark.parametrize(
    ("age_ms", "attempts", "is_shown"),
    [(12 * MINUTE, 3, True), (12 * MINUTE, 2, False), (HOUR, 30, False), (HOUR - 1, 3, True)],
)
def test_a_fault_is_new_for_an_hour_and_from_three_attempts_on(age_ms: int, attempts: int, is_shown: bool) -> None:
    taken = snapshot(queue("billing"), faults=[fault(age_ms=age_ms, attempts=attempts)])
    assert kinds(taken) == ([Kind.NEW_FAULT] if is_shown else [])
    if is_shown:
        (problem,) = find_problems(taken, Observations(), NOW)
        assert problem.since == NOW - age_ms


@pytest.mark.parametrize(("count", "is_shown"), [(3, True), (2, False)])
def test_new_failures_that_each_have_a_message_of_their_own_are_one_line(count: int, is_shown: bool) -> None:
    few = [
        fault("imports", attempts=1, message=f"{name} is unknown", age_ms=age * MINUTE)
        for age, name in enumerate("abc")
    ]
    taken = snapshot(queue("imports"), faults=[*few[:count], fault("imports", attempts=2, error_class="OSError")])
    found = find_problems(taken, Observations(), NOW)
    assert [problem.kind for problem in found] == ([Kind.NEW_FAULT] if is_shown else [])
    if is_shown:
        assert found[0].faults == tuple(few)
        assert found[0].since == NOW - 2 * MINUTE


@pytest.mark.parametrize(
    ("about", "is_shown"),
    [
        ({"dead": 0, "over_ms": 5 * MINUTE}, True),
        ({"dead": 0, "over_ms": 5 * MINUTE + 1}, False),
        ({"dead": 0, "retrying": 1, "over_ms": 6 * MINUTE}, True),
        ({"dead": 1, "over_ms": 6 * MINUTE}, True),
    ],
)
def test_a_new_fault_is_over_once_nothing_of_it_is_left_for_five_minutes(about: dict[str, Any], is_shown: bool) -> None:
    assert kinds(snapshot(queue("billing"), faults=[fault(**about)])) == ([Kind.NEW_FAULT] if is_shown else [])


def lane(name: str, *, held: int = 0, is_open: bool = False, age_ms: int = MINUTE) -> Lane:
    return Lane(name, "bo", "bad release", NOW - age_ms, held, is_open)


@pytest.mark.parametrize(
    ("lanes", "names", "found"),
    [
        ([lane("unknown:only_new", held=50)], ("old",), [Kind.UNKNOWN_TASK]),
        ([lane("unknown:only_new", held=50)], None, [Kind.UNKNOWN_TASK]),
        ([lane("unknown:only_new", held=50)], ("old", "only_new"), []),
        ([lane("unknown:only_new", held=50, is_open=True)], ("old",), []),
        ([lane("unknown:only_new")], ("old",), []),
        ([lane("name:charge")], ("charge",), [Kind.PAUSED]),
        ([lane("name:charge", held=3, is_open=True)], ("charge",), []),
        ([lane("name:charge", held=3), lane("unknown:charge", held=2)], (), [Kind.PAUSED]),
        ([lane("name:a", held=3), lane("unknown:b", held=2)], (), [Kind.UNKNOWN_TASK, Kind.PAUSED]),
    ],
)
def test_held_tasks_are_a_problem(lanes: list[Lane], names: tuple[str, ...] | None, found: list[Kind]) -> None:
    workers = [] if names is None else [worker(task_names=names)]
    assert kinds(snapshot(queue(held=50, lanes=tuple(lanes)), workers=workers)) == found


def test_an_unknown_task_is_told_since_it_is_held_and_hidden_where_no_worker_is() -> None:
    stuck = queue(held=50, lanes=(lane("unknown:only_new", held=50, age_ms=HOUR),))
    (problem,) = find_problems(snapshot(stuck, workers=[worker()]), Observations(), NOW)
    assert (problem.since, problem.severity, problem.held[0].held) == (NOW - HOUR, "bad", 50)
    ready = replace(stuck, counts=Counts(ready=1, held=50), oldest_ready_at=NOW - HOUR)
    assert kinds(snapshot(ready)) == [Kind.NO_WORKER]


def test_both_lanes_of_a_name_are_one_held_task() -> None:
    paused, unknown = lane("name:charge", held=3), lane("unknown:charge", held=2)
    for lanes in ((paused, unknown), (unknown, paused)):
        assert held_tasks(queue(lanes=lanes)) == (HeldTask("charge", 5, pause=paused, unknown=unknown),)


@pytest.mark.parametrize(
    ("about", "workers", "is_shown"),
    [
        ({"ready": 3, "oldest_ready_at": NOW - 16 * SECOND}, [], True),
        ({"ready": 3, "oldest_ready_at": NOW - 14 * SECOND}, [], False),
        ({"ready": 0}, [], False),
        ({"ready": 3, "oldest_ready_at": NOW - HOUR, "pause": Pause("bo", "", NOW)}, [], False),
        ({"ready": 3, "oldest_ready_at": NOW - HOUR}, [worker(silent_ms=20 * SECOND)], True),
        ({"ready": 3, "oldest_ready_at": NOW - HOUR}, [worker(silent_ms=14 * SECOND)], False),
        ({"ready": 3, "oldest_ready_at": NOW - HOUR}, [worker(queues=("email",))], True),
        ({"ready": 3, "oldest_ready_at": NOW - HOUR}, [worker(state="quiet", silent_ms=16 * SECOND)], True),
        ({"ready": 3, "oldest_ready_at": NOW - HOUR}, [worker(state="stopped", silent_ms=16 * SECOND)], True),
    ],
)
def test_no_worker_means_ready_tasks_that_nobody_takes_for_fifteen_seconds(
    about: dict[str, Any], workers: list[WorkerSnapshot], is_shown: bool
) -> None:
    assert (Kind.NO_WORKER in kinds(snapshot(queue(**about), workers=workers))) is is_shown


def test_no_worker_began_with_the_later_of_last_heartbeat_and_oldest_wait() -> None:
    taken = snapshot(queue(ready=3, oldest_ready_at=NOW - HOUR), workers=[worker(silent_ms=16 * MINUTE)])
    (problem,) = find_problems(taken, Observations(), NOW)
    assert problem.since == NOW - 16 * MINUTE
    assert [last.host for last in problem.workers] == ["web-7"]


def test_no_worker_hides_the_long_wait_and_the_lost_worker() -> None:
    taken = snapshot(queue(ready=3, oldest_ready_at=NOW - HOUR), workers=[worker(silent_ms=16 * MINUTE)])
    assert kinds(taken) == [Kind.NO_WORKER]


def test_queues_without_worker_are_one_line() -> None:
    queues = [queue(f"q{n}", ready=100, oldest_ready_at=NOW - HOUR - n) for n in range(41)]
    (problem,) = find_problems(snapshot(*queues), Observations(), NOW)
    assert (len(problem.queues), problem.ready) == (41, 4_100)
    assert problem.since == NOW - HOUR - 40


@pytest.mark.parametrize(
    ("limits", "target_ms"), [(Limits(), 5 * MINUTE), (Limits(wait_target=0.5), 500), (Limits(wait_target=3600), HOUR)]
)
@pytest.mark.parametrize(("over_ms", "is_shown"), [(1, True), (0, False)])
def test_waits_too_long_is_the_queues_own_target(limits: Limits, target_ms: int, over_ms: int, is_shown: bool) -> None:
    waiting = queue(ready=1, oldest_ready_at=NOW - target_ms - over_ms, limits=limits)
    taken = snapshot(waiting, workers=[worker()])
    assert kinds(taken) == ([Kind.WAITS_TOO_LONG] if is_shown else [])
    if is_shown:
        (problem,) = find_problems(taken, Observations(), NOW)
        assert problem.since == NOW - over_ms


@pytest.mark.parametrize(
    ("silent_ms", "state", "found"),
    [
        (14 * SECOND, "running", []),
        (15 * SECOND, "running", [Kind.WORKER_STALE]),
        (60 * SECOND, "running", [Kind.WORKER_LOST]),
        (60 * SECOND, "stopped", []),
        (HOUR - 1, "running", [Kind.WORKER_LOST]),
        (HOUR, "running", []),
    ],
)
def test_a_silent_worker_is_stale_then_lost_then_forgotten(silent_ms: int, state: str, found: list[Kind]) -> None:
    silent = worker(silent_ms=silent_ms, state=state)
    assert kinds(snapshot(queue(), workers=[silent])) == found
    assert bool(shown_workers([silent], NOW)) is (state != "stopped" and silent_ms < HOUR)


@pytest.mark.parametrize(
    ("state", "silent_ms", "condition"),
    [
        ("running", 0, "alive"),
        ("quiet", 0, "quiet"),
        ("reconnecting", 0, "reconnecting"),
        ("refused", 0, "refused"),
        ("stuck", 0, "stuck"),
        ("stopping", 20 * SECOND, "stale"),
        ("quiet", 2 * MINUTE, "lost"),
        ("stopped", 2 * MINUTE, "stopped"),
    ],
)
def test_the_condition_of_a_worker(state: str, silent_ms: int, condition: str) -> None:
    assert worker_condition(worker(state=state, silent_ms=silent_ms), NOW) == condition


def test_paused_is_always_said_with_who_and_why() -> None:
    pause = Pause("bo", "partner maintenance", NOW - 5 * HOUR)
    (problem,) = find_problems(snapshot(queue("exports", ready=84, pause=pause)), Observations(), NOW)
    assert (problem.kind, problem.since, problem.severity) == (Kind.PAUSED, NOW - 5 * HOUR, "warn")


@pytest.mark.parametrize(
    ("dead", "limits", "is_told"),
    [
        (10_000, Limits(), False),
        (10_001, Limits(), True),
        (11, Limits(dead_warning=10), True),
        (10_001, Limits(dead_warning=20_000), False),
    ],
)
def test_more_dead_letters_than_somebody_wants_to_be_told_of(dead: int, limits: Limits, is_told: bool) -> None:
    since = NOW - HOUR if is_told else None
    found = snapshot(queue("exports", dead=dead, limits=limits, too_many_dead_since=since))
    problems = find_problems(found, Observations(), NOW)
    assert [(p.kind, p.severity, p.since) for p in problems] == [(Kind.TOO_MANY_DEAD, "warn", NOW - HOUR)] * is_told


@pytest.mark.parametrize(
    ("change", "count"),
    [
        ({}, 0),
        ({"eviction_policy": "allkeys-lru"}, 1),
        ({"eviction_policy": None}, 0),
        ({"is_aof_on": False, "is_saving_on": False}, 1),
        ({"is_aof_on": False, "is_saving_on": True}, 0),
        ({"is_aof_on": None, "is_saving_on": None}, 0),
        ({"used_memory": 81, "max_memory": 100}, 1),
        ({"used_memory": 80, "max_memory": 100}, 0),
        ({"used_memory": 81, "max_memory": 0}, 0),
    ],
)
def test_what_makes_a_server_unsafe(change: dict[str, Any], count: int) -> None:
    assert len(unsafe_settings(replace(SERVER, **change))) == count


def test_an_unsafe_server_is_so_since_it_was_first_seen() -> None:
    taken = snapshot(server=replace(SERVER, eviction_policy="allkeys-lru"))
    first = Observations().after(replace(taken, taken_at=NOW - MINUTE))
    (problem,) = find_problems(taken, first.after(taken), NOW)
    assert (problem.kind, problem.since) == (Kind.REDIS_UNSAFE, NOW - MINUTE)
    assert find_problems(snapshot(), first.after(snapshot()), NOW) == ()


def test_books_are_off_after_three_snapshots_running() -> None:
    wrong = replace(queue("email"), books=Books(tasks=0, enqueued=1))
    seen = Observations()
    found = []
    for step in range(4):
        taken = replace(snapshot(wrong), taken_at=NOW + step)
        seen = seen.after(taken)
        found.append(kinds(taken, seen))
    assert found == [[], [], [Kind.BOOKS_OFF], [Kind.BOOKS_OFF]]
    (problem,) = find_problems(snapshot(wrong), seen, NOW)
    assert problem.since == NOW
    assert seen.after(snapshot(queue("email"))).unbalanced == {}


def test_a_queue_that_cannot_be_read_is_said() -> None:
    taken = replace(snapshot(), unreadable={"legacy": "written by a newer version"})
    assert kinds(taken) == [Kind.UNREADABLE]


def test_worst_first_and_newest_first_among_equals() -> None:
    pause = Pause("bo", "", NOW)
    taken = snapshot(
        queue("exports", pause=pause),
        queue("images", ready=1, oldest_ready_at=NOW - HOUR),
        faults=[
            fault(age_ms=30 * MINUTE, fingerprint="a", error_class="A"),
            fault(age_ms=MINUTE, fingerprint="b", error_class="B"),
            fault(age_ms=SECOND, fingerprint="c", error_class="C", dead=0),
        ],
    )
    problems = find_problems(taken, Observations(), NOW)
    assert [problem.kind for problem in problems] == [Kind.NEW_FAULT] * 3 + [Kind.NO_WORKER, Kind.PAUSED]
    assert [problem.faults[0].fingerprint for problem in problems[:3]] == ["b", "a", "c"]


def test_of_new_faults_that_which_leaves_more_tasks_stands_first_whichever_is_newer() -> None:
    many = fault(fingerprint="a", error_class="A", attempts=900, dead=155)
    more = fault(fingerprint="b", error_class="B", attempts=30, dead=2, retrying=8, age_ms=MINUTE)
    few = fault(fingerprint="c", error_class="C", dead=3, age_ms=SECOND)
    problems = find_problems(snapshot(faults=[few, more, many]), Observations(), NOW)
    assert [problem.faults for problem in problems] == [(many,), (more,), (few,)]


def test_letters_that_came_from_another_queue_are_counted_as_failures() -> None:
    assert kinds(snapshot(faults=[fault(attempts=0, dead=195)])) == [Kind.NEW_FAULT]


def test_one_of_each_kind_is_among_the_seven_lines() -> None:
    taken = snapshot(
        queue("exports", pause=Pause("bo", "", NOW)),
        queue("images", ready=1, oldest_ready_at=NOW - HOUR),
        faults=[fault(fingerprint=f"f{number}", error_class=f"Error{number}") for number in range(40)],
    )
    problems = find_problems(taken, Observations(), NOW)
    shown = first_lines(problems)
    assert [problem.kind for problem in shown] == [Kind.NEW_FAULT] * 5 + [Kind.NO_WORKER, Kind.PAUSED]
    assert shown[:5] == problems[:5]
    assert first_lines(problems[-3:]) == problems[-3:]


def test_a_fault_that_rises_is_told_behind_new_ones() -> None:
    taken = snapshot(
        queue("images", ready=1, oldest_ready_at=NOW - HOUR),
        faults=[fault(age_ms=3 * HOUR, fingerprint="a", error_class="A", recent=RISING), fault(fingerprint="b")],
    )
    problems = find_problems(taken, Observations(), NOW)
    assert [problem.kind for problem in problems] == [Kind.NEW_FAULT, Kind.RISING_FAULT, Kind.NO_WORKER]
    assert (problems[1].severity, problems[1].since) == ("bad", NOW - NOW % MINUTE - 2 * MINUTE)


def test_a_fault_that_rises_in_several_queues_is_one_line_since_the_first() -> None:
    later = ((RISING[0][0], 12),)
    taken = snapshot(faults=[fault(q, age_ms=3 * HOUR, recent=r) for q, r in (("eu", later), ("us", RISING))])
    (problem,) = find_problems(taken, Observations(), NOW)
    assert [found.queue for found in problem.faults] == ["eu", "us"]
    assert problem.since == NOW - NOW % MINUTE - 2 * MINUTE


@pytest.mark.parametrize(
    ("mute", "is_shown"),
    [
        (None, True),
        (Mute("bo", "known", NOW - HOUR, until=NOW + 1), False),
        (Mute("bo", "known", NOW - HOUR, until=NOW), True),
        (Mute("bo", "known", NOW - HOUR, attempts=31), False),
        (Mute("bo", "known", NOW - HOUR, attempts=30), True),
        (Mute("bo", "known", NOW - HOUR, until=NOW + 1, attempts=30), True),
        (Mute("bo", "known", NOW - HOUR, until=NOW, attempts=31), True),
    ],
)
def test_of_what_is_muted_somebody_knows(mute: Mute | None, is_shown: bool) -> None:
    faults = [
        fault(attempts=30, mute=mute, fingerprint="a", error_class="A"),
        fault(attempts=30, mute=mute, fingerprint="b", error_class="B", age_ms=3 * HOUR, recent=RISING),
    ]
    taken = snapshot(queue("billing"), faults=faults)
    assert kinds(taken) == ([Kind.NEW_FAULT, Kind.RISING_FAULT] if is_shown else [])
    assert View(taken, (), NOW).muted == (0 if is_shown else 2)


def test_the_same_failure_in_several_queues_is_one_line() -> None:
    taken = snapshot(faults=[fault("eu"), fault("us", age_ms=20 * MINUTE)])
    (problem,) = find_problems(taken, Observations(), NOW)
    assert [found.queue for found in problem.faults] == ["eu", "us"]
    assert problem.since == NOW - 20 * MINUTE


def test_schedules_that_nobody_enqueues_are_one_line() -> None:
    late = [
        ScheduleSnapshot(f"s{number}", overdue_since=NOW - HOUR + number, has_scheduler=False) for number in range(8)
    ]
    (problem,) = find_problems(replace(snapshot(), overdue=tuple(late)), Observations(), NOW)
    assert (problem.kind, problem.severity, problem.since) == (Kind.SCHEDULE_OVERDUE, "bad", NOW - HOUR)
    assert problem.server == ("s0, s1, s2, s3, s4, s5 and 2 more", "not enqueued: no worker is alive")
    others = (ScheduleSnapshot("full", overdue_since=NOW - HOUR),)
    (problem,) = find_problems(replace(snapshot(), overdue=others), Observations(), NOW)
    assert problem.server == ("full", "not enqueued, although a worker is alive")


def test_live_workers_of_all_queues_are_those_of_each() -> None:
    workers = [
        worker("a", queues=("billing", "images")),
        worker("b", queues=("billing",), state="quiet"),
        worker("c", queues=("images", "email"), silent_ms=STALE_MS),
        worker("d", queues=("email",), state="stopped"),
        worker("e", queues=("images",)),
    ]
    taken = snapshot(workers=workers)
    found = live_by_queue(workers, NOW)
    for name in ("billing", "images", "email", "nobody"):
        assert tuple(found.get(name, ())) == live_workers(taken, name, NOW)
    assert [known.id for known in found["images"]] == ["a", "e"]
