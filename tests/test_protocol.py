"""What is sent and how it is read, without a server."""

from __future__ import annotations

from typing import Any

import pytest

from queue_core import protocol, scripts
from queue_core.errors import InvalidArgument
from queue_core.fingerprint import make_failure
from queue_core.keys import SENTINEL, QueueKeys
from queue_core.protocol import (
    Acted,
    Call,
    Claimed,
    ClaimedTask,
    Counters,
    FailedTask,
    Held,
    NewTask,
    ReleasedTask,
    Session,
    Switched,
)
from queue_core.protocol.call import MAX_PACKED_HEADS

QUEUE = QueueKeys("qc", "email")
PAUSE = protocol.pause(QUEUE, "ada", "why")


def test_command_is_a_script_with_control_session_and_what_all_scripts_begin_with() -> None:
    session = Session("ours")
    sha = scripts.load("pause").sha
    keys = [QUEUE.control, QUEUE.session("ours.pause"), QUEUE.notify]
    assert session.command(PAUSE) == ["EVALSHA", sha, 3, *keys, 1, "", 1, "ada", "why"]
    assert session.command(PAUSE, 123) == ["EVALSHA", sha, 3, *keys, 1, 123, 2, "ada", "why"]


def test_call_without_a_session_has_neither_number_nor_key() -> None:
    call = protocol.extend(QUEUE, [Held("a", 7)], 30_000)
    sha = scripts.load("extend").sha
    keys = [QUEUE.control, QUEUE.leases, QUEUE.running, QUEUE.cancelling]
    assert Session().command(call, 5) == ["EVALSHA", sha, 4, *keys, 1, 5, 30_000, "a", 7]


def test_same_command_with_the_scripts_text_is_otherwise_the_same() -> None:
    command = Session("ours").command(PAUSE)
    again = protocol.with_text(command, PAUSE.script)
    assert again[:2] == ["EVAL", PAUSE.script.text]
    assert again[2:] == command[2:]


OTHER = QueueKeys("qc", "images")
NEW = NewTask("a", "ü\r\n$7\r\n".encode(), 3)
CALLS: list[Call[Any]] = [
    PAUSE,
    protocol.enqueue(QUEUE, [NEW]),
    protocol.enqueue(QUEUE, [NEW, NEW]),
    protocol.enqueue(OTHER, [NEW]),
    protocol.extend(QUEUE, [Held("a", 7)], 30_000),
    protocol.extend(OTHER, [Held("a", 7)], 30_000),
    protocol.complete(QUEUE, [Held("a", 7)]),
    protocol.cancel(QUEUE, ["a"], {"by": "ada"}),
    protocol.cancel(QUEUE, ["a", "b"], {"by": "ada"}),
    protocol.register(QUEUE),
]


def test_packed_command_is_the_command_packed_also_when_its_beginning_is_known() -> None:
    plain, packed = Session("ours"), Session("ours")
    for now_ms in (None, 5, 7):
        for call in CALLS:
            assert packed.packed(call, now_ms) == protocol.pack(plain.command(call, now_ms))
            plain.command(call)
            packed.packed(call)
    assert Session("theirs").packed(PAUSE) == protocol.pack(Session("theirs").command(PAUSE))


def test_packed_command_with_the_scripts_text_is_otherwise_the_same() -> None:
    for call in CALLS:
        command, packed = Session("ours").command(call), Session("ours").packed(call)
        assert protocol.packed_with_text(packed, call.script) == protocol.pack(protocol.with_text(command, call.script))


def test_session_remembers_the_beginnings_of_a_few_queues() -> None:
    session = Session()
    for number in range(1_000):
        session.packed(protocol.resume(QueueKeys("qc", f"queue-{number}")))
    assert len(session._packed_heads) <= MAX_PACKED_HEADS


def test_sessions_are_told_apart() -> None:
    assert len({Session().id for _ in range(1_000)}) == 1_000
    assert all(protocol.Session().id.replace("-", "").replace("_", "").isalnum() for _ in range(100))


def test_every_script_is_known_by_its_own_digest() -> None:
    assert len({scripts.load(name).sha for name in scripts.names()}) == len(scripts.names())


@pytest.mark.parametrize(
    ("task", "place"),
    [
        (NewTask("a", b""), ""),
        (NewTask("a", b"", priority=-3), "-3 0 0"),
        (NewTask("a", b"", delay_ms=5), "0 5 0"),
        (NewTask("a", b"", due_ms=7), "0 0 7"),
    ],
)
def test_task_that_is_ready_at_once_needs_no_words(task: NewTask, place: str) -> None:
    assert protocol.enqueue(QUEUE, [task]).arguments == ["a", b"", place]


@pytest.mark.parametrize("worker", ["", "a b", "a/b", "w" * 129])
def test_worker_has_a_name(worker: str) -> None:
    with pytest.raises(InvalidArgument):
        protocol.claim(QUEUE, worker, 1, 1)


def test_claim_says_what_the_worker_can_run() -> None:
    call = protocol.claim(QUEUE, "w1", 5, 30_000, is_fair=True, lanes=["unknown:a", "unknown:b"], max_bytes=9)
    assert call.arguments == (5, 30_000, "w1", "1", 9, SENTINEL, "unknown:a", "unknown:b")


@pytest.mark.parametrize(
    ("answer", "claimed"),
    [
        ([b"7", b"100", b"", 0, 0, 0, [], b"", 0], Claimed(7, 100, None, False, False, False)),
        (
            [b"7", b"100", b"150", 1, 1, 1, [b"name:a"], b"120", 1],
            Claimed(7, 100, 150, True, True, True, ("name:a",), (), 120, True),
        ),
        ([b"7", b"100", b"1.5e3", 0, 0, 0, [], b"", 0], Claimed(7, 100, 1_500, False, False, False)),
        (
            [
                b"7",
                b"100",
                b"",
                0,
                0,
                0,
                [],
                b"",
                0,
                b"a",
                b"\xff",
                b"",
                b"",
                b"b",
                b"send\n",
                b"1 2 3 4 f",
                b"0000001",
            ],
            Claimed(
                7,
                100,
                None,
                False,
                False,
                False,
                (),
                (
                    ClaimedTask("a", b"\xff", Counters(), False, ""),
                    ClaimedTask("b", b"send\n", Counters(1, 2, 3, 4, "f"), True, "0000001"),
                ),
            ),
        ),
    ],
)
def test_answer_of_a_claim(answer: list[Any], claimed: Claimed) -> None:
    assert protocol.claim(QUEUE, "w1", 1, 1).read(answer) == claimed


@pytest.mark.parametrize("line", ["", "1", "1 2 3 4", "1 2 3 4 f x y", "1 2 3 x f"])
def test_history_that_cannot_be_read_counts_nothing(line: str) -> None:
    assert Counters.parse(line) == Counters()


def test_records_follow_the_tasks_that_leave_one() -> None:
    held = [Held("a", 1), Held("b", 1, True), Held("c", 1, True)]
    assert protocol.complete(QUEUE, held).keys[-2:] == [QUEUE.record("b"), QUEUE.record("c")]
    failure = make_failure("send", "E", "m")
    failed = [FailedTask(task_id, 1, verdict, 0, failure) for task_id, verdict in (("a", "retry"), ("b", "discard"))]
    assert protocol.fail(QUEUE, failed).keys[-1:] == [QUEUE.record("b")]


@pytest.mark.parametrize(
    "facts", [{"text": 'a"b\n\u2028\0'}, {"number": 1.5}, {"other": object()}, {"half": "\ud800"}, {}]
)
def test_facts_are_one_line_of_json_with_something_in_it(facts: dict[str, object]) -> None:
    failed = FailedTask("a", 1, "retry", 0, make_failure("send", "E", "m"), facts)
    sent = (
        protocol.fail(QUEUE, [failed]).arguments[9],
        protocol.requeue(QUEUE, [], facts).arguments[0],
        protocol.recover(QUEUE, 1, evidence=facts).arguments[5],
    )
    for fact in sent:
        assert isinstance(fact, bytes)
        assert fact.startswith(b"{")
        assert fact.endswith(b"}")
        assert len(fact) > 2
        assert b"\n" not in fact


@pytest.mark.parametrize(
    ("call", "answer", "read"),
    [
        (protocol.complete(QUEUE, []), [b"a", b"b"], ["a", "b"]),
        (protocol.extend(QUEUE, [], 1), [b"100", [b"a"], [b"b"]], protocol.Extended(["a"], ["b"])),
        (protocol.release(QUEUE, [ReleasedTask("a", 1)]), [], []),
        (protocol.recover(QUEUE, 1), [[b"a"], [], [b"b"], [], []], protocol.Recovered(["a"], [], ["b"])),
        (
            protocol.recover(QUEUE, 1),
            [[], [], [], [b"c"], [b"d", b"7"]],
            protocol.Recovered([], [], [], ["c"], [Held("d", 7)]),
        ),
        (protocol.cancel(QUEUE, [], {}), [b"5", [b"a"], b"b", b"gone"], Acted(5, {"b": "gone"}, asked=("a",))),
        (protocol.requeue(QUEUE, [], {}), [b"5", b"a", b"changed"], Acted(5, {"a": "changed"})),
        (protocol.trash(QUEUE, [], 1, "", ""), [b"5", b"6", b"a", b"gone"], Acted(5, {"a": "gone"}, until_ms=6)),
        (protocol.restore(QUEUE, []), [b"5"], Acted(5, {})),
        (protocol.delete(QUEUE), [b"5", 3], Acted(5, {}, count=3)),
        (protocol.promote(QUEUE, []), [b"5"], Acted(5, {})),
        (protocol.resume(QUEUE), [b"5", 1], Switched(5, True)),
        (
            protocol.mute_fault(QUEUE, "f", 7, None, "", ""),
            [b"5", b"f", b"no such fault"],
            Acted(5, {"f": "no such fault"}),
        ),
        (protocol.unmute_fault(QUEUE, "f"), [b"5", 0], Switched(5, False)),
        (protocol.note_fault(QUEUE, "f", "", "hm"), [b"5"], Acted(5, {})),
        (protocol.enqueue(QUEUE, []), [b"a", b"ready"], {"a": "ready"}),
    ],
)
def test_answers(call: protocol.Call[Any], answer: list[Any], read: object) -> None:
    assert call.read(answer) == read


@pytest.mark.parametrize("lane", ["name:send", "unknown:a.b:c"])
def test_lanes_that_there_are(lane: str) -> None:
    assert protocol.check_lane(lane) == lane
