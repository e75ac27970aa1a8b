"""The hand-made consumer, on a real server."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import pytest

from queue_core import InvalidArgument, LeaseLost, Taskyard
from queue_core.consumer import process_name
from queue_core.keys import QueueKeys
from queue_core.protocol import NewTask, enqueue
from tests.engine import Engine
from tests.invariants import places_of


@pytest.fixture
def yard(redis_url: str, namespace: str) -> Iterator[Taskyard]:
    yard = Taskyard(redis_url, namespace=namespace, version="1.2")
    yield yard
    yard.close()


@pytest.fixture
def email(redis_url: str, namespace: str) -> Iterator[Engine]:
    engine = Engine(redis_url, namespace, "email")
    yield engine
    engine.check_books()
    engine.close()


@pytest.fixture
def send(yard: Taskyard) -> Any:
    @yard.task(queue="email", max_retries=1)
    def send(to: str) -> None: ...

    return send


def places(engine: Engine) -> dict[str, list[str]]:
    return {place: ids for place, ids in places_of(engine.state()).items() if ids}


def test_lease_tells_what_is_to_be_done(yard: Taskyard, send: Any, email: Engine) -> None:
    handle = send.options(priority=4).enqueue("ada")
    with yard.queue("email").claim(limit=10, lease_seconds=30, worker_id="mine") as leases:
        assert len(leases) == 1
        (lease,) = leases
        assert leases[0] is lease
        assert (lease.id, lease.name, lease.args, lease.kwargs) == (handle.id, "send", [], {"to": "ada"})
        assert (lease.priority, lease.attempt) == (4, 1)
        assert lease.fence == leases.fence > 0
        assert email.state()["leases"][handle.id] == lease.expires_at
        assert email.state()["running"][handle.id].endswith(" mine")
        lease.complete()
        assert places(email) == {}
    assert email.state()["stats"] == {"enqueued": "1", "completed": "1"}


def test_failed_task_runs_again_later_and_is_a_dead_letter_when_no_retry_is_left(
    yard: Taskyard, send: Any, email: Engine
) -> None:
    handle = send.enqueue("ada")
    with yard.queue("email").claim() as leases:
        leases[0].fail("no such mailbox")
    assert places(email) == {"retrying": [handle.id]}
    yard.client.redis.zadd(QueueKeys("test", "email").retrying, {handle.id: 1})
    with yard.queue("email").claim() as leases:
        assert leases[0].attempt == 2
        leases[0].fail(ValueError("again"))
    assert places(email) == {"dead": [handle.id]}
    history = email.state()["history"][handle.id]
    assert '"error":"RuntimeError: no such mailbox"' in history
    assert '"error":"ValueError: again"' in history
    assert "1.2" in email.state()["faults"].values()


def test_released_task_is_at_the_head_again_and_nothing_is_counted(yard: Taskyard, send: Any, email: Engine) -> None:
    first, second = send.enqueue("a"), send.enqueue("b")
    with yard.queue("email").claim(limit=1) as leases:
        leases[0].release()
        assert places(email) == {"ready": [first.id, second.id]}
    assert "history" not in email.state()


def test_what_is_not_settled_is_released_at_the_end(yard: Taskyard, send: Any, email: Engine) -> None:
    handles = [send.enqueue(str(i)) for i in range(3)]
    with yard.queue("email").claim(limit=10) as leases:
        leases[1].complete()
    assert places(email) == {"ready": [handles[0].id, handles[2].id]}


def test_error_in_the_block_passes_and_what_is_not_settled_is_released(
    yard: Taskyard, send: Any, email: Engine
) -> None:
    handles = [send.enqueue(str(i)) for i in range(3)]
    with contextlib.suppress(ZeroDivisionError), yard.queue("email").claim(limit=10) as leases:
        leases[0].complete()
        raise ZeroDivisionError
    assert places(email) == {"ready": [handles[1].id, handles[2].id]}


def test_extended_lease_lasts_from_now(yard: Taskyard, send: Any, email: Engine) -> None:
    handle = send.enqueue("ada")
    with yard.queue("email").claim(lease_seconds=1) as leases:
        before = email.state()["leases"][handle.id]
        leases[0].extend(600)
        assert email.state()["leases"][handle.id] >= before + 598_000
        leases[0].complete()


@pytest.mark.parametrize("verb", ["complete", "fail", "release", "extend"])
def test_lease_that_somebody_else_has_by_now_is_lost_and_nothing_changes(
    yard: Taskyard, send: Any, email: Engine, verb: str
) -> None:
    handle = send.enqueue("ada")
    arguments = ["late"] if verb == "fail" else []
    with yard.queue("email").claim(limit=1) as mine:
        redis = yard.client.redis
        fence, claimed, digits, _ = redis.hget(QueueKeys("test", "email").running, handle.id).decode().split(" ")  # type: ignore[union-attr]
        redis.hset(QueueKeys("test", "email").running, handle.id, f"{int(fence) + 1} {claimed} {digits} another")
        redis.hset(QueueKeys("test", "email").control, "fence", int(fence) + 1)
        before = email.state()
        with pytest.raises(LeaseLost, match=f"task {handle.id}: ") as lost:
            getattr(mine[0], verb)(*arguments)
        assert lost.value.task_id == handle.id  # type: ignore[attr-defined]
        after = email.state()
        after["control"]["seen"] = before["control"]["seen"]  # to extend is a sign of life, also in vain
        assert after == before
    assert places(email) == {"running": [handle.id]}


def test_task_that_was_settled_cannot_be_settled_again(yard: Taskyard, send: Any, email: Engine) -> None:
    send.enqueue("ada")
    with yard.queue("email").claim() as leases:
        leases[0].complete()
        with pytest.raises(LeaseLost):
            leases[0].complete()
    assert email.state()["stats"]["completed"] == "1"


@pytest.mark.parametrize(
    ("envelope", "reason"),
    [
        (b"\xff\x00", "UnreadableEnvelope: the envelope has no payload line"),
        (b"send\nnot json", "UnreadableEnvelope: the payload is not JSON"),
        (b"send\n7", "UnreadableEnvelope: the payload is neither"),
        (b'send {"priority":"x"}\n{}', "UnreadableEnvelope: the envelope's options cannot be read"),
    ],
)
def test_envelope_that_cannot_be_read_is_a_dead_letter_with_its_reason_and_the_others_are_leased(
    yard: Taskyard, send: Any, email: Engine, envelope: bytes, reason: str
) -> None:
    yard.client.run(enqueue(email.queue, [NewTask("corrupt", envelope)]))
    handle = send.enqueue("ada")
    with yard.queue("email").claim(limit=10) as leases:
        assert [lease.id for lease in leases] == [handle.id]
        assert places(email) == {"dead": ["corrupt"], "running": [handle.id]}
        leases[0].complete()
    assert f'"error":"{reason}' in email.state()["history"]["corrupt"]


def test_empty_queue_gives_no_leases(yard: Taskyard) -> None:
    with yard.queue("email").claim(limit=10) as leases:
        assert list(leases) == []
        assert not leases


def test_claim_may_be_entered_again(yard: Taskyard, send: Any, email: Engine) -> None:
    claim = yard.queue("email").claim(limit=1)
    for to in ("a", "b"):
        send.enqueue(to)
    for to in ("a", "b"):
        with claim as leases:
            assert [lease.kwargs["to"] for lease in leases] == [to]
            leases[0].complete()


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ({"limit": 0}, "claim limit 0 is not accepted: 1 to 256 tasks"),
        ({"limit": 257}, "claim limit 257"),
        ({"limit": "5"}, "claim limit '5'"),
        ({"limit": True}, "claim limit True"),
        ({"limit": 1.5}, "claim limit 1.5"),
        ({"lease_seconds": 0}, "lease of 0 s is not accepted: more than 0 s, at most 24 h"),
        ({"lease_seconds": -1}, "lease of -1 s"),
        ({"lease_seconds": 86_401}, "lease of 86401 s"),
        ({"lease_seconds": float("nan")}, "lease of nan s"),
        ({"lease_seconds": "30"}, "lease of '30' s"),
        ({"lease_seconds": True}, "lease of True s"),
        ({"worker_id": "a b"}, "worker name 'a b'"),
    ],
)
def test_claim_that_makes_no_sense_is_refused(yard: Taskyard, arguments: dict[str, Any], complaint: str) -> None:
    with pytest.raises(InvalidArgument) as refused:
        yard.queue("email").claim(**arguments)
    assert complaint in str(refused.value)


def test_consumer_is_called_by_its_host_and_process(yard: Taskyard, send: Any, email: Engine) -> None:
    handle = send.enqueue("ada")
    with yard.queue("email").claim() as leases:
        assert email.state()["running"][handle.id].endswith(f" {process_name('consumer:')}")
        leases[0].complete()
