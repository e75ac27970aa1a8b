"""Schedules as operators have them: what they do, what they see."""

from __future__ import annotations

from typing import Any

import pytest

from queue_core import Context, Taskyard, keys, protocol, timetable
from queue_core.errors import InvalidArgument, UnknownSchedule, UnreadableSchedule
from queue_core.inspector import Inspector
from queue_core.schedules import Schedules
from queue_core.snapshot import Outcome, Pause, ScheduleSnapshot, State
from queue_core.timetable import Schedule
from tests.engine import START_MS, Engine

HOUR = 3_600_000
FULL_HOUR = START_MS // HOUR * HOUR + HOUR


@pytest.fixture
def schedules(engine: Engine) -> Schedules:
    return Schedules(client=engine.client)


def act(form: str = "form-1", reason: str = "") -> dict[str, Any]:
    return {"by": "ada", "action_id": form, "reason": reason}


def add(schedules: Schedules, name: str = "hourly", **options: Any) -> Outcome:
    given = {"queue": "email", "every": 3_600, **options}
    return schedules.add(name, "send", **given, **act(f"add-{name}"))


def stored(engine: Engine, name: str = "hourly") -> Schedule:
    return timetable.read(name, engine.redis.hget(keys.schedules(engine.client.namespace), name))


def occur(engine: Engine, ms: int, name: str = "hourly") -> str:
    task = stored(engine, name).occurrence(ms)
    return engine.run(protocol.enqueue_occurrence(engine.queue, name, ms, task)).task_id


def look(engine: Engine, name: str = "hourly") -> ScheduleSnapshot:
    return Inspector(client=engine.client).schedule(name)


def live_worker(engine: Engine) -> None:
    engine.redis.zadd(keys.workers(engine.client.namespace), {"w1": engine.now})
    engine.redis.set(keys.worker(engine.client.namespace, "w1"), '{"state":"running"}')


# Doing.


def test_schedule_is_added_once(engine: Engine, schedules: Schedules) -> None:
    assert add(schedules) == Outcome("add_schedule", ("hourly",), {}, START_MS)
    assert (stored(engine).by, stored(engine).created_at, stored(engine).since) == ("ada", START_MS, START_MS)
    again = schedules.add("hourly", "other", every=60, **act("another form"))
    assert (again.done, again.skipped) == ((), {"hourly": "it exists already"})
    assert stored(engine).task == "send"


def test_same_form_has_acted_once_and_says_so_again(engine: Engine, schedules: Schedules) -> None:
    add(schedules)
    engine.later(5)
    assert add(schedules).done == ("hourly",)
    assert stored(engine).created_at == START_MS
    for _ in range(2):
        engine.later(5)
        assert schedules.pause("hourly", **act("form-2", "why")).done == ("hourly",)
    assert stored(engine).pause == Pause("ada", "why", START_MS + 10)
    audited = Inspector(client=engine.client).audit()
    assert [(row.verb, row.target) for row in audited.rows] == [
        ("pause_schedule", "schedule hourly: every hour"),
        ("add_schedule", "schedule hourly: every hour"),
    ]


def test_pause_and_resume_say_what_they_found(engine: Engine, schedules: Schedules) -> None:
    add(schedules)
    assert schedules.resume("hourly", **act("1")).skipped == {"hourly": "not paused"}
    schedules.pause("hourly", **act("2", "first"))
    assert schedules.pause("hourly", **act("3", "second")).skipped == {"hourly": "paused already"}
    assert stored(engine).pause == Pause("ada", "first", START_MS)
    engine.later(HOUR)
    schedules.resume("hourly", by="bob", action_id="4")
    assert (stored(engine).pause, stored(engine).since, stored(engine).by) == (None, START_MS + HOUR, "ada")


def test_change_of_the_times_begins_anew(engine: Engine, schedules: Schedules) -> None:
    add(schedules)
    engine.later(9)
    assert schedules.change("hourly", missed="all", **act("1")).done == ("hourly",)
    assert (stored(engine).since, stored(engine).changed_at) == (START_MS, START_MS + 9)
    schedules.change("hourly", every=60, by="bob", action_id="2")
    assert (stored(engine).since, stored(engine).by, stored(engine).every_ms) == (START_MS + 9, "bob", 60_000)
    assert schedules.change("hourly", every=60, **act("3")).skipped == {"hourly": "it is so already"}


def test_removed_schedule_is_gone_with_its_note_and_its_tasks_stay(engine: Engine, schedules: Schedules) -> None:
    add(schedules)
    engine.now = FULL_HOUR
    task_id = occur(engine, FULL_HOUR)
    assert schedules.remove("hourly", **act()).done == ("hourly",)
    assert Inspector(client=engine.client).schedules() == ()
    state = engine.check_books()
    assert list(state["tasks"]) == [task_id]
    assert "occurrences" not in state


def test_running_now_makes_one_task_beside_the_occurrences(engine: Engine, schedules: Schedules) -> None:
    add(schedules)
    schedules.pause("hourly", **act("1"))
    outcome = schedules.run_now("hourly", **act("2"))
    assert schedules.run_now("hourly", **act("2")) == outcome
    state = engine.check_books()
    assert tuple(state["tasks"]) == outcome.done
    assert "occurrences" not in state
    assert Inspector(client=engine.client).queue_names() == ("email",)
    assert len(schedules.run_now("hourly", **act("3")).done) == 1
    assert len(engine.check_books()["tasks"]) == 2


def test_running_now_waits_for_no_overlap(engine: Engine, schedules: Schedules) -> None:
    add(schedules, overlap=False)
    (first,) = schedules.run_now("hourly", **act("1")).done
    assert schedules.run_now("hourly", **act("2")).skipped == {"hourly": f"{first} has not ended"}


@pytest.mark.parametrize("verb", ["change", "remove", "pause", "resume", "run_now"])
def test_schedule_that_is_not_there_is_said_not_to_be(schedules: Schedules, verb: str) -> None:
    with pytest.raises(UnknownSchedule, match="there is no schedule 'absent'"):
        getattr(schedules, verb)("absent", **act())
    with pytest.raises(InvalidArgument, match="schedule name"):
        getattr(schedules, verb)("a b", **act())


def test_schedule_that_cannot_be_read_can_be_removed_and_nothing_else(engine: Engine, schedules: Schedules) -> None:
    engine.redis.hset(keys.schedules(engine.client.namespace), "hourly", "{}")
    assert look(engine).unreadable.startswith("schedule hourly cannot be read")
    with pytest.raises(UnreadableSchedule):
        schedules.pause("hourly", **act())
    schedules.remove("hourly", **act())
    assert Inspector(client=engine.client).schedules() == ()


def test_two_that_change_a_schedule_at_once_both_do(engine: Engine, schedules: Schedules) -> None:
    add(schedules)
    engine.together(
        [
            lambda client: Schedules(client=client).pause("hourly", **act("1")),
            lambda client: Schedules(client=client).change("hourly", missed="all", **act("2")),
            lambda client: Schedules(client=client).change("hourly", overlap=False, **act("3")),
        ]
    )
    found = stored(engine)
    assert (found.paused is not None, found.missed, found.overlap) == (True, "all", False)


def test_schedule_that_is_changed_while_its_queue_goes_begins_anew_all_the_same(
    engine: Engine, schedules: Schedules, monkeypatch: pytest.MonkeyPatch
) -> None:
    add(schedules)
    engine.now = FULL_HOUR
    occur(engine, FULL_HOUR)
    run = engine.client.run

    def pause_first(call: Any, session: Any = None) -> Any:
        if call.script.name == "set_schedule":
            monkeypatch.undo()
            schedules.pause("hourly", **act("2"))
        return run(call, session)

    monkeypatch.setattr(engine.client, "run", pause_first)
    schedules.begin_anew("email")
    found = stored(engine)
    assert (found.since, found.paused is not None) == (FULL_HOUR, True)


# Seeing.


def test_schedule_is_shown_with_what_comes_and_what_came(engine: Engine, schedules: Schedules) -> None:
    add(schedules, every=None, cron="0 * * * *", time_zone="Europe/Vienna", arguments={"to": "ada"}, priority=2)
    live_worker(engine)
    found = look(engine)
    assert found == ScheduleSnapshot(
        name="hourly",
        words="at the start of every hour, Europe/Vienna",
        task="send",
        queue="email",
        payload='{"to":"ada"}',
        cron="0 * * * *",
        time_zone="Europe/Vienna",
        missed="one",
        priority=2,
        next_at=tuple(FULL_HOUR + number * HOUR for number in range(5)),
        by="ada",
        created_at=START_MS,
        changed_at=START_MS,
    )
    assert Inspector(client=engine.client).schedules() == (found,)
    engine.now = FULL_HOUR
    task_id = occur(engine, FULL_HOUR)
    found = look(engine)
    assert (found.last_at, found.last_task_id, found.last_state) == (FULL_HOUR, task_id, State.READY)
    assert found.next_at[0] == FULL_HOUR + HOUR
    claimed = engine.claim(1)
    engine.run(protocol.complete(engine.queue, [protocol.Held(task_id, claimed.fence)]))
    assert look(engine).last_state is None
    assert engine.run(protocol.enqueue(engine.queue, [])) == {}


def test_task_tells_from_which_schedule_it_came(engine: Engine, schedules: Schedules) -> None:
    add(schedules)
    engine.now = FULL_HOUR
    detail = Inspector(client=engine.client).task("email", occur(engine, FULL_HOUR))
    assert (detail.options["schedule"], detail.options["scheduled_for"]) == ("hourly", FULL_HOUR)


def test_overlapping_occurrence_is_shown_as_what_it_met(engine: Engine, schedules: Schedules) -> None:
    add(schedules, overlap=False)
    engine.now = FULL_HOUR
    first = occur(engine, FULL_HOUR)
    engine.now = FULL_HOUR + HOUR
    occur(engine, FULL_HOUR + HOUR)
    found = look(engine)
    assert (found.last_at, found.last_task_id, found.last_was_met) == (FULL_HOUR + HOUR, first, True)


def test_paused_schedule_has_no_next_and_is_never_late(engine: Engine, schedules: Schedules) -> None:
    add(schedules)
    schedules.pause("hourly", **act("1", "why"))
    engine.later(5 * HOUR)
    found = look(engine)
    assert (found.next_at, found.overdue_since, found.pause) == ((), None, Pause("ada", "why", START_MS))


@pytest.mark.parametrize(
    ("missed", "has_worker", "late_ms", "is_overdue"),
    [
        ("one", False, 0, True),
        ("one", True, 14_999, False),
        ("one", True, 15_000, True),
        ("one", True, HOUR + 1_000, True),
        ("all", True, HOUR - 1, True),
        ("skip", True, 60_000, True),
        ("skip", True, 60_001, False),
        ("skip", False, HOUR - 1, True),
    ],
)
def test_schedule_is_overdue_that_nobody_enqueues(
    engine: Engine, schedules: Schedules, missed: str, has_worker: bool, late_ms: int, is_overdue: bool
) -> None:
    add(schedules, missed=missed)
    engine.now = FULL_HOUR + late_ms
    if has_worker:
        live_worker(engine)
    found = look(engine)
    assert found.overdue_since == (FULL_HOUR if is_overdue else None)
    assert found.has_scheduler is has_worker


def test_schedules_of_many_queues_are_shown_by_name_also_where_a_queue_is_damaged(
    engine: Engine, schedules: Schedules
) -> None:
    for name, queue in (("c", "email"), ("a", "images"), ("b", "broken")):
        add(schedules, name, queue=queue)
    engine.now = FULL_HOUR
    occur(engine, FULL_HOUR, "c")
    engine.redis.set(engine.client.queue("broken").occurrences, "no hash")
    found = Inspector(client=engine.client).schedules()
    assert [(schedule.name, schedule.last_at) for schedule in found] == [("a", None), ("b", None), ("c", FULL_HOUR)]


# In code.


def test_schedule_is_declared_with_a_task_or_above_it() -> None:
    yard = Taskyard()

    @yard.schedule("nightly", cron="0 3 * * *", time_zone="Europe/Vienna", arguments={"days": 7})
    @yard.schedule("hourly", every=3_600)
    @yard.task(queue="reports")
    def report(days: int = 1) -> int:
        return days

    assert report(3) == 3
    urgent = yard.schedule("urgent", report.options(priority=9), every=60, missed="skip")
    assert list(yard.timetable) == ["hourly", "nightly", "urgent"]
    assert (urgent.priority, urgent.queue, urgent.task, urgent.missed) == (9, "reports", "report", "skip")
    assert yard.timetable["nightly"].payload == '{"days":7}'


def test_schedule_in_code_is_checked_where_it_is_declared() -> None:
    yard = Taskyard()

    @yard.task
    def report(days: int) -> None: ...

    yard.schedule("nightly", report, every=60, arguments={"days": 1})
    for arguments, said in (
        ({"name": "nightly", "task": report, "every": 60, "arguments": {"days": 1}}, "declared twice"),
        ({"name": "other", "task": report, "every": 60}, "missing a required argument"),
        ({"name": "other", "task": report, "arguments": {"days": 1}}, "cron=… or every=…"),
        ({"name": "other", "task": "report", "every": 60}, "is no task"),
        ({"name": "a b", "task": report, "every": 60, "arguments": {"days": 1}}, "schedule name"),
    ):
        given: dict[str, Any] = arguments
        with pytest.raises(InvalidArgument, match=said):
            yard.schedule(**given)
    assert list(yard.timetable) == ["nightly"]


def test_handler_knows_for_which_time_it_runs(engine: Engine, schedules: Schedules) -> None:
    from queue_core.testing import Clock, drain

    yard = Taskyard(engine.url, namespace=engine.client.namespace, clock=Clock())
    times: list[Any] = []

    @yard.task(queue="email")
    def send(context: Context) -> None:
        times.append(context.scheduled_for)

    yard.schedule("hourly", send, every=3_600)
    engine.now = FULL_HOUR
    engine.run(
        protocol.enqueue_occurrence(engine.queue, "hourly", FULL_HOUR, yard.timetable["hourly"].occurrence(FULL_HOUR))
    )
    send.enqueue()
    drain(yard)
    assert [at and at.isoformat() for at in times] == ["2025-11-22T01:00:00+00:00", None]
    yard.close()


def test_snapshot_tells_of_schedules_that_are_overdue_and_of_no_others(engine: Engine, schedules: Schedules) -> None:
    for name, every in (("later", 3 * 3_600), ("hourly", 3_600), ("done", 3_600), ("paused", 60)):
        add(schedules, name, every=every)
    schedules.pause("paused", **act())
    inspector = Inspector(client=engine.client)
    assert inspector.snapshot().overdue == ()
    engine.now = FULL_HOUR
    occur(engine, FULL_HOUR, "done")
    (found,) = inspector.snapshot().overdue
    assert (found.name, found.overdue_since, found.has_scheduler) == ("hourly", FULL_HOUR, False)
    live_worker(engine)
    assert inspector.snapshot().overdue == ()
    engine.redis.hset(keys.schedules(engine.client.namespace), "broken", "{}")
    engine.redis.set(engine.client.queue("email").occurrences, "no hash")
    assert inspector.snapshot().workers
    engine.redis.set(keys.schedules(engine.client.namespace), "no hash")
    assert inspector.snapshot().overdue == ()
