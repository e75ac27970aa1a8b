"""fail: seeded state → one call → the whole resulting state; faults, their limit, histories and tracebacks."""

from __future__ import annotations

import json
from typing import Any

import pytest

from queue_core import protocol
from queue_core.fingerprint import make_failure
from queue_core.protocol import DEAD, DISCARD, RETRY, FailedTask, Held
from tests.engine import LEASE_MS, START_MS, Engine, changed, counted, lease_of, running_of
from tests.invariants import State
from tests.scripts.scenarios import with_history

pytestmark = pytest.mark.each_server

FAILURE = make_failure("send", "ValueError", "no answer")
FAULT = FAILURE.fingerprint
SUMMARY = json.dumps(
    {"task": "send", "class": "ValueError", "message": "no answer", "frame": "", "first": START_MS},
    separators=(",", ":"),
)
ENTRY = f'failed {{"error":"ValueError: no answer","worker":"w1","attempt":1,"fault":"{FAULT}"}}\n'
MINUTE = START_MS // 60_000
SETTLED: State = {"leases": lease_of(expires_at=0), "running": running_of(fence=0, at=0)}
COUNTED: State = {"faults_seen": {FAULT: START_MS}}


def faults_of(attempts: int = 1, retrying: int = 0, **more: str) -> dict[str, str]:
    more = {f"{FAULT}:{name}": value for name, value in {"recent": f"{MINUTE} {attempts}", **more}.items()}
    return {FAULT: SUMMARY, f"{FAULT}:attempts": str(attempts), f"{FAULT}:retrying": str(retrying), **more}


# Three verdicts.


def test_retry_waits_for_its_time_and_is_counted_in_its_fault(engine: Engine) -> None:
    held = engine.lease()
    before = engine.state()
    engine.fail(held, RETRY, delay_ms=1_234)
    assert engine.check_books() == changed(
        before,
        **SETTLED,
        **COUNTED,
        faults=faults_of(retrying=1),
        retrying={held.id: START_MS + 1_234},
        stats=counted(before, failed=1, retried=1),
        history={held.id: f"1 0 0 0 {FAULT}\n{START_MS} {ENTRY}"},
        notify=["1", "1"],
    )


def test_dead_letter_is_filed_under_its_fault(engine: Engine) -> None:
    held = engine.lease()
    before = engine.state()
    engine.fail(held, DEAD)
    assert engine.check_books() == changed(
        before,
        **SETTLED,
        **COUNTED,
        faults=faults_of(),
        dead={held.id: START_MS},
        stats=counted(before, failed=1, died=1),
        control={**before["control"], "died_at": str(engine.now)},
        dead_by_fault={f"{FAULT}:{START_MS}:{held.id}": 0},
        history={held.id: f"1 0 0 0 {FAULT}\n{START_MS} {ENTRY}"},
    )


def test_discarded_task_leaves_the_queue_and_a_record(engine: Engine) -> None:
    held = engine.lease()
    before = engine.state()
    engine.fail(held, DISCARD)
    record = {
        "state": "discarded",
        "at": str(START_MS),
        "worker": "w1",
        "bytes": "7",
        "envelope": "send\n{}",
        "history": f"1 0 0 0 {FAULT}\n{START_MS} {ENTRY}",
        "traceback": "",
    }
    assert engine.check_books() == changed(
        before,
        **SETTLED,
        **COUNTED,
        faults=faults_of(),
        tasks=None,
        stats=counted(before, failed=1, discarded=1),
        **{f"record:{held.id}": record},
    )
    assert 0 < engine.redis.pttl(engine.queue.record(held.id)) <= 86_400_000


def test_second_failure_counts_on(engine: Engine) -> None:
    held = with_history(engine)
    before = engine.state()
    engine.fail(held, DEAD)
    second = ENTRY.replace('"attempt":1', '"attempt":2')
    assert engine.check_books() == changed(
        before,
        **SETTLED,
        faults=faults_of(attempts=2),
        faults_seen={FAULT: engine.now},
        dead={held.id: engine.now},
        stats=counted(before, failed=1, died=1),
        control={**before["control"], "died_at": str(engine.now)},
        dead_by_fault={f"{FAULT}:{engine.now}:{held.id}": 0},
        history={held.id: f"2 0 0 0 {FAULT}\n{START_MS} {ENTRY}{engine.now} {second}"},
    )


def test_task_follows_its_last_failure_to_another_fault(engine: Engine) -> None:
    held = with_history(engine)
    engine.fail(held, RETRY, message="refused")
    state = engine.check_books()
    other = make_failure("send", "ValueError", "refused").fingerprint
    assert state["history"][held.id].startswith(f"2 0 0 0 {other}\n")
    assert (state["faults"][f"{FAULT}:retrying"], state["faults"][f"{other}:retrying"]) == ("0", "1")


@pytest.mark.parametrize(("delay_ms", "tokens"), [(60_001, 2), (60_000, 2), (59_999, 3), (0, 3)])
def test_only_a_new_earliest_retry_wakes_a_worker(engine: Engine, delay_ms: int, tokens: int) -> None:
    held = engine.lease()
    engine.seed("scheduled", delay_ms=60_000)
    engine.fail(held, RETRY, delay_ms=delay_ms)
    assert len(engine.check_books()["notify"]) == tokens


def test_retry_while_paused_wakes_nobody(engine: Engine) -> None:
    held = engine.lease()
    engine.run(protocol.pause(engine.queue, "ada", ""))
    engine.fail(held, RETRY)
    assert "notify" not in engine.check_books()


# Who may.


@pytest.mark.parametrize("verdict", [RETRY, DEAD, DISCARD])
@pytest.mark.parametrize("wrong", [-1, 1])
def test_wrong_fence_changes_nothing(engine: Engine, verdict: str, wrong: int) -> None:
    held = engine.lease()
    before = engine.state()
    failed = [engine.failed(Held(held.id, held.fence + wrong), verdict)]
    assert engine.run(protocol.fail(engine.queue, failed)) == [held.id]
    assert engine.state() == before


def test_lease_that_ran_out_can_still_be_settled(engine: Engine) -> None:
    held = engine.lease()
    engine.later(LEASE_MS + 1)
    engine.fail(held, DEAD)
    assert engine.check_books()["dead"] == {held.id: engine.now}


def test_each_task_of_a_batch_is_judged_by_itself(engine: Engine) -> None:
    helds = [engine.lease() for _ in range(4)]
    batch = [
        engine.failed(Held("gone", 1), DISCARD),
        engine.failed(helds[0], DISCARD),
        engine.failed(helds[1], DEAD),
        engine.failed(helds[1], DISCARD),  # a second time: its lease has ended with the first
        engine.failed(helds[2], DISCARD),
        engine.failed(helds[3], RETRY),
    ]
    assert engine.run(protocol.fail(engine.queue, batch)) == ["gone", helds[1].id]
    state = engine.check_books()
    assert {name for name in state if name.startswith("record")} == {f"record:{helds[i].id}" for i in (0, 2)}
    assert state["faults"] == faults_of(attempts=4, retrying=1)


@pytest.mark.parametrize("verdict", [RETRY, DEAD, DISCARD])
def test_one_of_many_callers_at_once_counts(engine: Engine, verdict: str) -> None:
    held = engine.lease()
    answers = engine.at_once([lambda: protocol.fail(engine.queue, [engine.failed(held, verdict)])] * 8)
    assert sorted(answers) == [[]] + [[held.id]] * 7
    assert engine.check_books()["faults"][f"{FAULT}:attempts"] == "1"


def test_failing_and_completing_at_once_settle_the_task_once(engine: Engine) -> None:
    held = engine.lease()
    answers = engine.at_once(
        [
            lambda: protocol.complete(engine.queue, [held]),
            lambda: protocol.fail(engine.queue, [engine.failed(held, DEAD)]),
            lambda: protocol.release(engine.queue, [protocol.ReleasedTask(held.id, held.fence)]),
        ]
        * 3
    )
    assert sorted(map(len, answers)) == [0] + [1] * 8
    engine.check_books()


# Histories.


def test_history_stays_within_a_kilobyte_and_keeps_the_newest(engine: Engine) -> None:
    engine.enqueue("order-1")
    for attempt in range(1, 31):
        engine.later(1_000)
        claimed = engine.claim(1)
        engine.fail(Held("order-1", claimed.fence), RETRY, message=f"answer {'x' * attempt}")
    first_line, *lines = engine.check_books()["history"]["order-1"].rstrip("\n").split("\n")
    assert first_line.startswith("30 0 0 0 ")
    assert sum(len(line) + 1 for line in lines) <= 1_000
    assert [json.loads(line.split(" ", 2)[2])["attempt"] for line in lines] == list(range(31 - len(lines), 31))


@pytest.mark.parametrize(
    "message",
    [
        'quote " and \\ backslash',
        "two\nlines",
        "null \0 byte",
        "\u2028 \u0085 separators",
        "ü € 😀",
        "\ud800",
        "]]> '--",
        "x" * 5_000,
    ],
)
def test_strange_messages_stay_one_line_of_json(engine: Engine, message: str) -> None:
    held = engine.lease()
    engine.fail(held, DEAD, message=message)
    state = engine.check_books()
    _, line, rest = state["history"][held.id].split("\n")
    facts = json.loads(line.split(" ", 2)[2])
    assert (facts["attempt"], rest) == (1, "")
    assert len(facts["error"]) <= 200
    (fault,) = state["faults_seen"]
    assert json.loads(state["faults"][fault])["message"] is not None


# Attempts by time.


def recent_of(engine: Engine) -> str:
    return str(engine.state()["faults"][f"{FAULT}:recent"])


def fail_once(engine: Engine, ms_later: int = 0) -> None:
    engine.later(ms_later)
    engine.fail(engine.lease(), DISCARD)


def test_attempts_of_a_minute_are_one_figure_and_an_earlier_one_follows_with_its_distance(engine: Engine) -> None:
    for minutes in (0, 0, 1, 0, 3):
        fail_once(engine, minutes * 60_000)
    assert recent_of(engine) == f"{MINUTE + 4} 1 3 2 1 2"
    engine.check_books()


@pytest.mark.parametrize(
    ("back_ms", "recent"),
    [(59 * 60_000, f"{MINUTE} 3"), (60 * 60_000, f"{MINUTE - 60} 1"), (30 * 86_400_000, f"{MINUTE - 43_200} 1")],
)
def test_clock_that_goes_back_stays_in_its_minute_or_begins_anew(engine: Engine, back_ms: int, recent: str) -> None:
    fail_once(engine)
    fail_once(engine)
    fail_once(engine, -back_ms)
    assert recent_of(engine) == recent


def test_hours_of_failures_take_little_and_none_is_lost(engine: Engine) -> None:
    """By the minute for an hour at least, then by five."""
    fail_once(engine)
    before = 280
    engine.redis.hset(engine.queue.faults, f"{FAULT}:recent", f"{MINUTE} 1" + " 1 1" * (before - 1))
    for minute in range(1, 200):
        fail_once(engine, 60_000)
        stored = engine.redis.hget(engine.queue.faults, f"{FAULT}:recent")
        newest, *numbers = map(int, stored.split())
        counts, gaps = numbers[::2], numbers[1::2]
        slots = [newest - sum(gaps[:i]) for i in range(len(counts))]
        assert len(stored) <= 1_200
        assert slots[:60] == [MINUTE + minute - i for i in range(60)]
        assert sum(counts) >= min(before + minute, 420 - 4)
    assert (counts[:60], max(counts)) == ([1] * 60, 5)


def test_what_lies_seven_hours_back_goes(engine: Engine) -> None:
    fail_once(engine)
    engine.redis.hset(engine.queue.faults, f"{FAULT}:recent", f"{MINUTE} 1" + " 1 1" * 300 + " 200 77")
    fail_once(engine, 60_000)
    counts = list(map(int, recent_of(engine).split()))[1::2]
    assert (sum(counts), max(counts)) == (302, 5)


@pytest.mark.parametrize("stored", ["", "x", "7", "-1 -1", "9" * 400 + " 1", "1 " + "9" * 400, f"{MINUTE} 1 x 7"])
def test_what_stands_there_may_be_anything(engine: Engine, stored: str) -> None:
    fail_once(engine)
    engine.redis.hset(engine.queue.faults, f"{FAULT}:recent", stored)
    fail_once(engine)
    fail_once(engine, 60_000)
    assert recent_of(engine).startswith(f"{MINUTE + 1} ")


# Versions and tracebacks of faults.


def fail_with(engine: Engine, version: str = "", **failure: Any) -> str:
    held = engine.lease()
    assert engine.run(protocol.fail(engine.queue, [engine.failed(held, DEAD, **failure)], version)) == []
    return held.id


@pytest.mark.parametrize(
    ("versions", "kept"),
    [
        (["1.0"], "1.0"),
        (["1.0", "1.0"], "1.0"),
        (["1.0", "1.1", "1.0"], "1.0\n1.1"),
        (["1.10", "1.1"], "1.10\n1.1"),
        ([""], None),
        ([str(number) for number in range(12)], "\n".join(str(number) for number in range(4, 12))),
    ],
)
def test_fault_remembers_the_last_eight_versions(engine: Engine, versions: list[str], kept: str | None) -> None:
    for version in versions:
        fail_with(engine, version)
    assert engine.check_books()["faults"].get(f"{FAULT}:versions") == kept


def test_traceback_stands_once_in_the_fault_and_only_other_ones_with_the_task(engine: Engine) -> None:
    first = fail_with(engine, digest="d1", trace="first trace")
    same = fail_with(engine, digest="d1", trace="same frames, newer")
    other = fail_with(engine, digest="d2", trace="other " + "x" * 5_000)
    none = fail_with(engine)
    state = engine.check_books()
    assert (state["faults"][f"{FAULT}:frames"], state["faults"][f"{FAULT}:traceback"]) == ("d1", "same frames, newer")
    assert {name for name in state["history"] if name.startswith(":")} == {f":{other}"}
    assert state["history"][f":{other}"] == "x" * 4_096
    assert {first, same, none} <= state["history"].keys()


def test_own_traceback_goes_when_the_next_attempt_has_the_faults(engine: Engine) -> None:
    fail_with(engine, digest="d1", trace="usual")
    engine.fail(engine.lease("order-1"), RETRY, digest="d2", trace="other")
    assert ":order-1" in engine.check_books()["history"]
    engine.later(1_000)
    engine.fail(Held("order-1", engine.claim(1).fence), RETRY, digest="d1", trace="usual")
    assert ":order-1" not in engine.check_books()["history"]


# Many faults.


def fail_many(engine: Engine, messages: list[str], verdict: str, error_class: str = "ValueError") -> None:
    """Each message is a fault of its own: a letter and a digest of it are what remains of a number."""
    for start in range(0, len(messages), 256):
        part = messages[start : start + 256]
        engine.enqueue_many(len(part))
        claimed = engine.claim(256)
        failed = [
            FailedTask(task.id, claimed.fence, verdict, 1_000, make_failure("send", error_class, message))
            for task, message in zip(claimed.tasks, part, strict=True)
        ]
        assert engine.run(protocol.fail(engine.queue, failed)) == []
        engine.later(1)


def words(count: int, prefix: str = "") -> list[str]:
    letters = "abcdefghij"
    return [prefix + "".join(letters[int(digit)] for digit in str(number)) for number in range(count)]


def test_new_fault_takes_the_place_of_the_longest_unseen_one_without_letters(engine: Engine) -> None:
    fail_many(engine, words(1), DEAD)
    fail_many(engine, words(999, "k"), DISCARD)
    before = engine.check_books()
    assert len(before["faults_seen"]) == 1_000
    fail_many(engine, ["new", "newer"], DEAD)
    after = engine.check_books()
    assert len(after["faults_seen"]) == 1_000
    gone = before["faults_seen"].keys() - after["faults_seen"].keys()
    oldest = min(seen for fault, seen in before["faults_seen"].items() if seen > START_MS)
    assert [before["faults_seen"][fault] for fault in gone] == [oldest] * 2


def test_faults_beyond_a_thousand_share_one_for_each_task_and_class(engine: Engine) -> None:
    fail_many(engine, words(1_000), DEAD)
    fail_many(engine, words(300, "new"), DEAD)
    fail_many(engine, words(3, "new"), DEAD, "KeyError")
    state = engine.check_books()
    overflows = {
        fault: json.loads(state["faults"][fault])["class"]
        for fault in state["faults_seen"]
        if json.loads(state["faults"][fault]).get("overflow")
    }
    assert sorted(overflows.values()) == ["KeyError", "ValueError"]
    counts = {error_class: state["faults"][f"{fault}:attempts"] for fault, error_class in overflows.items()}
    assert counts == {"ValueError": "300", "KeyError": "3"}
    assert len(state["faults_seen"]) == 1_002


def test_classes_beyond_a_hundred_share_the_last_fault(engine: Engine) -> None:
    fail_many(engine, words(1_000), DEAD)
    for number in range(102):
        fail_many(engine, ["new"], DEAD, f"Error{number}")
    state = engine.check_books()
    assert len(state["faults_seen"]) == 1_101
    assert state["faults"]["overflow:attempts"] == "2"


def test_fault_of_a_trashed_letter_is_not_forgotten(engine: Engine) -> None:
    letter, retry = engine.seed("dead"), engine.seed("retrying")
    engine.trash(letter, retry)
    engine.later(1)
    fail_many(engine, words(1_100), DISCARD)
    assert engine.run(protocol.restore(engine.queue, [letter, retry])).skipped == {}
    engine.check_books()
