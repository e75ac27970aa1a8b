"""What a schedule is: made, stored, read back, declared and changed. Pure: time is passed in."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest

from queue_core import Context, Taskyard, codec, timetable
from queue_core.errors import InvalidArgument, UnreadableSchedule
from queue_core.ids import is_task_id
from queue_core.schedule import Cron, Every
from queue_core.timetable import Schedule

NOW = 1_763_770_000_000
yard = Taskyard()


@yard.task(queue="reports", max_retries=1)
def report(days: int = 1, context: Context | None = None) -> None: ...


def made(name: str = "nightly", **options: Any) -> Schedule:
    options = {"cron": "0 3 * * *", **options} if "every" not in options else options
    return timetable.make(name, report.message(days=7), **options)


def test_schedule_comes_back_as_it_was_stored() -> None:
    for schedule in (
        made(time_zone="Europe/Vienna", missed="all", overlap=False),
        made(every=90, start=datetime(2024, 5, 1, tzinfo=UTC)),
        timetable.paused(timetable.created(made(), NOW), "ada", "why", NOW),
    ):
        assert timetable.read("nightly", timetable.write(schedule)) == schedule
    assert made(time_zone="Europe/Vienna").rule == Cron("0 3 * * *", "Europe/Vienna")
    assert made(every=timedelta(minutes=2)).rule == Every(120_000)


@pytest.mark.parametrize(
    "data",
    [
        b"", b"{}", b"[]", b"\xff", b'{"name":"nightly"}', b"9" * 5_000,
        *(
            msgspec.json.encode({**msgspec.to_builtins(made()), **damage})
            for damage in (
                {"cron": "never"}, {"cron": ""}, {"time_zone": "Europe/Atlantis"}, {"queue": "a b"}, {"task": ""},
                {"missed": "sometimes"}, {"name": "other"}, {"envelope": "no line"}, {"cron": "", "every_ms": 10**30},
                {"envelope": "report {not json}\n{}"}, {"since": "x"}, {"cron": 5},
            )
        ),
    ],
)  # fmt: skip
def test_what_is_no_schedule_is_said_to_be_none(data: bytes) -> None:
    with pytest.raises(UnreadableSchedule, match="schedule nightly cannot be read"):
        timetable.read("nightly", data)


def test_fields_of_a_newer_version_are_passed_over() -> None:
    stored = {**msgspec.to_builtins(made()), "colour": "green"}
    assert timetable.read("nightly", msgspec.json.encode(stored)) == made()


def test_task_of_an_occurrence_knows_its_schedule_and_its_time() -> None:
    at = int(datetime(2024, 5, 1, 3, tzinfo=UTC).timestamp() * 1000)
    task = made().occurrence(at)
    assert task.id == "nightly-20240501T030000Z"
    envelope = codec.decode_envelope(task.envelope)
    assert (envelope.name, envelope.payload) == ("report", b'{"days":7}')
    assert (envelope.options.schedule, envelope.options.scheduled_for) == ("nightly", at)
    assert envelope.options.max_retries == 1
    assert made().occurrence(at + 500).id == "nightly-20240501T030000500Z"


def test_ids_of_tasks_are_ids_and_differ_by_schedule() -> None:
    names = ["nightly", "night.ly", "night:ly", "night-ly", "n" * 128, "n" * 127, "_.:-"]
    ids = [made(name).occurrence(NOW).id for name in names] + [made(name).extra("a" * 64, NOW).id for name in names]
    assert all(map(is_task_id, ids))
    assert len(set(ids)) == len(ids)


def test_options_of_the_task_stay_with_its_occurrences() -> None:
    message = report.options(priority=5, expires=60, unique_key="mine", unique_for=9).message()
    task = timetable.make("nightly", message, every=60).occurrence(NOW)
    assert (task.priority, task.expires_ms, task.unique_key, task.unique_ms) == (5, 60_000, "mine", 9_000)


def test_schedule_without_overlap_has_a_key_of_its_own_until_its_task_ends() -> None:
    task = made(overlap=False).occurrence(NOW)
    assert (task.unique_key, task.unique_ms) == ("schedule:nightly", 0)
    assert codec.decode_envelope(task.envelope).options.key_until_end == "schedule:nightly"
    assert made("n" * 128, overlap=False).unique_key == "schedule:" + "n" * 128


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"missed": "never"}, "skip, one, all"),
        ({"missed": None}, "skip, one, all"),
        ({"overlap": 1}, "True or False"),
        ({"name": "a b"}, "schedule name"),
        ({"cron": "x"}, "cron expression"),
    ],
)
def test_what_makes_no_schedule_is_refused(options: dict[str, Any], said: str) -> None:
    with pytest.raises(InvalidArgument, match=said):
        made(**options)


@pytest.mark.parametrize(
    ("sending", "options", "said"),
    [
        ({"delay": 5}, {}, "a delay or an eta"),
        ({"eta": datetime(2030, 1, 1, tzinfo=UTC)}, {}, "a delay or an eta"),
        ({"unique_key": "mine"}, {"overlap": False}, "a unique_key"),
    ],
)
def test_options_that_contradict_a_schedule_are_refused(
    sending: dict[str, Any], options: dict[str, Any], said: str
) -> None:
    with pytest.raises(InvalidArgument, match=said):
        timetable.make("nightly", report.options(**sending).message(), every=60, **options)


def test_arguments_of_a_schedule_are_no_store() -> None:
    @yard.task
    def keep(text: str) -> None: ...

    with pytest.raises(InvalidArgument, match="65,536 are stored"):
        timetable.make("nightly", keep.message("x" * 70_000), every=60)


# Declaring.


def test_first_declaration_begins_now() -> None:
    stored = timetable.declared(made(), None, "shop:yard", NOW)
    assert stored is not None
    assert (stored.app, stored.created_at, stored.changed_at, stored.since) == ("shop:yard", NOW, NOW, NOW)
    assert timetable.declared(made(), stored, "shop:yard", NOW + 5) is None


def test_declaration_of_other_times_begins_anew_and_one_of_other_arguments_does_not() -> None:
    stored = timetable.declared(made(), None, "shop:yard", NOW)
    for options, since in (({"cron": "0 4 * * *"}, NOW + 5), ({"missed": "all"}, NOW), ({"time_zone": "UTC"}, None)):
        other = timetable.declared(made(**options), stored, "shop:yard", NOW + 5)
        assert (other and (other.since, other.created_at, other.changed_at)) == (since and (since, NOW, NOW + 5))


def test_operators_pause_and_change_survive_the_next_start_and_a_new_declaration_only_the_pause() -> None:
    stored = timetable.declared(made(), None, "shop:yard", NOW)
    assert stored is not None
    stored = timetable.paused(stored, "ada", "why", NOW)
    revised = timetable.revised(stored, cron="30 5 * * *")
    stored = timetable.changed(revised, stored, NOW + 1)
    assert timetable.declared(made(), stored, "shop:yard", NOW + 5) is None
    other = timetable.declared(made(missed="skip"), stored, "shop:yard", NOW + 5)
    assert other is not None
    assert (other.cron, other.missed, other.paused) == ("0 3 * * *", "skip", stored.paused)


def test_schedule_that_is_declared_again_is_no_longer_undeclared() -> None:
    stored = timetable.declared(made(), None, "shop:yard", NOW)
    assert stored is not None
    gone = timetable.undeclared(stored, NOW + 5)
    assert gone.undeclared_at == NOW + 5
    assert timetable.declared(made(), gone, "shop:yard", NOW + 9) == stored


def test_resumed_schedule_begins_anew() -> None:
    stored = timetable.paused(timetable.created(made(), NOW), "ada", "", NOW)
    resumed = timetable.resumed(stored, NOW + 9)
    assert (resumed.paused, resumed.since) == (None, NOW + 9)


# Changing.


@pytest.mark.parametrize(
    ("options", "changes"),
    [
        ({"cron": "5 4 * * *"}, {"cron": "5 4 * * *"}),
        ({"time_zone": "Asia/Tokyo"}, {"time_zone": "Asia/Tokyo"}),
        ({"every": 60}, {"cron": "", "time_zone": "UTC", "every_ms": 60_000}),
        ({"missed": "all"}, {"missed": "all"}),
        (
            {"arguments": {"days": 2}},
            {"envelope": 'report {"max_retries":1,"unique_key":"schedule:nightly"}\n{"days":2}'},
        ),
        ({"overlap": True}, {"overlap": True, "unique_key": "", "envelope": 'report {"max_retries":1}\n{"days":7}'}),
        ({}, {}),
    ],
)  # fmt: skip
def test_change_leaves_what_it_does_not_name(options: dict[str, Any], changes: dict[str, Any]) -> None:
    stored = made(time_zone="Europe/Vienna", overlap=False)
    assert timetable.revised(stored, **options) == msgspec.structs.replace(stored, **changes)


def test_change_of_an_interval_leaves_its_start() -> None:
    stored = made(every=90, start=datetime(2024, 5, 1, tzinfo=UTC))
    assert timetable.revised(stored, missed="all") == msgspec.structs.replace(stored, missed="all")
    assert timetable.revised(stored, cron="@daily").rule == Cron("@daily")


# Notes.


@pytest.mark.parametrize("data", [None, b"", b"x y z", b"1 2", b"\xff 1 2", b"9" * 5_000 + b" a b"])
def test_note_that_cannot_be_read_is_none(data: bytes | None) -> None:
    assert timetable.noted(data) is None


def test_note_of_a_server_whose_clock_has_gone_back_is_none() -> None:
    stored = timetable.created(made(), NOW)
    assert timetable.noted(b"5 id made") == (5, "id", "made")
    assert stored.seen_to(NOW + 5, NOW) == NOW + 5
    assert stored.seen_to(NOW + 3_600_000, NOW) == NOW + 3_600_000
    assert stored.seen_to(NOW + 3_600_001, NOW) == NOW
    assert stored.seen_to(None, NOW) == NOW
