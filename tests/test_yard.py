"""Declaring and enqueueing, on a real server."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
from redis import Redis

from queue_core import Context, DuplicateTaskName, InvalidArgument, InvalidPayload, Message, Taskyard, UnknownTask
from queue_core.errors import ServerUnavailable
from tests.engine import Engine
from tests.invariants import places_of


@pytest.fixture
def yard(redis_url: str, namespace: str) -> Iterator[Taskyard]:
    yard = Taskyard(redis_url, namespace=namespace)
    yield yard
    yard.close()


@pytest.fixture
def email(redis_url: str, namespace: str) -> Iterator[Engine]:
    engine = Engine(redis_url, namespace, "email")
    yield engine
    engine.check_books()
    engine.close()


def envelopes(engine: Engine) -> dict[str, str]:
    tasks: dict[str, str] = engine.state().get("tasks", {})
    return tasks


def send(to: str, subject: str = "Hello") -> str:
    return f"{subject}, {to}"


# Declaring.


def test_task_is_declared_bare_or_with_options(yard: Taskyard) -> None:
    @yard.task
    def bare(a: int) -> int:
        """What it does."""
        return a

    @yard.task(queue="email", name="mail.send", max_retries=1)
    def optioned(a: int) -> int:
        return a + 1

    assert (bare.name, bare.queue, bare.__doc__) == ("bare", "default", "What it does.")
    assert (optioned.name, optioned.queue, optioned.definition.max_retries) == ("mail.send", "email", 1)
    assert (bare(1), optioned(1)) == (1, 2)
    assert set(yard.tasks) == {"bare", "mail.send"}
    assert repr(optioned) == "<Task mail.send in email>"


def test_name_that_is_declared_twice_is_an_error_that_shows_both_places(yard: Taskyard) -> None:
    yard.task(send)
    with pytest.raises(DuplicateTaskName) as refused:
        yard.task(name="send")(lambda: None)
    assert str(refused.value).count("test_yard.py:") == 2
    assert "name=…" in str(refused.value)
    yard.task(name="send-2")(send)


def test_task_that_is_called_runs_here_with_a_context_of_no_task(yard: Taskyard) -> None:
    @yard.task(queue="email")
    def handler(context: Context, a: int) -> tuple[Context, int]:
        return context, a

    assert handler(a=3) == (Context("", "handler", "email", 1, 0), 3)
    mine = Context("mine", "handler", "email", 2, 9)
    assert handler(mine, 4) == (mine, 4)  # type: ignore[arg-type, call-arg]


# Enqueueing.


def test_task_that_was_enqueued_is_in_the_queue(yard: Taskyard, email: Engine, redis_client: Redis) -> None:
    task = yard.task(queue="email")(send)
    handles = [task.enqueue("ada"), task.delay("bob", subject="Hi"), task.enqueue(to="eve")]
    assert envelopes(email) == {
        handles[0].id: 'send\n{"to":"ada"}',
        handles[1].id: 'send\n{"to":"bob","subject":"Hi"}',
        handles[2].id: 'send\n{"to":"eve"}',
    }
    assert all(handle.is_new and handle.queue == "email" for handle in handles)
    assert redis_client.smembers("test:queues") == {b"email"}
    assert handles[0].status() == "ready"


def test_id_that_is_in_the_queue_already_makes_no_second_task_and_the_handle_says_so(
    yard: Taskyard, email: Engine
) -> None:
    once = yard.task(queue="email")(send).options(task_id="order-17")
    assert once.enqueue("ada").is_new
    again = once.enqueue("bob")
    assert (again.id, again.met, again.is_new) == ("order-17", "ready", False)
    assert envelopes(email) == {"order-17": 'send\n{"to":"ada"}'}


def test_options_decide_where_the_task_goes(yard: Taskyard, email: Engine) -> None:
    task = yard.task(queue="email")(send)
    high = task.options(priority=9).enqueue("ada")
    later = task.options(delay=60).enqueue("ada")
    places = places_of(email.state())
    assert (places["prioritized"], places["scheduled"], places["ready"]) == ([high.id], [later.id], [])
    assert later.status() == "scheduled"


def test_arguments_that_do_not_fit_are_refused_and_nothing_is_enqueued(yard: Taskyard, email: Engine) -> None:
    task = yard.task(queue="email")(send)
    with pytest.raises(InvalidPayload, match="missing a required argument: 'to'"):
        task.enqueue()  # type: ignore[call-arg]
    with pytest.raises(InvalidPayload, match="what can be stored is"):
        task.enqueue(to=object())  # type: ignore[arg-type]
    assert email.state() == {}


def test_many_messages_of_several_queues_give_handles_in_their_order(yard: Taskyard, email: Engine) -> None:
    tasks = [yard.task(queue="email", name="a")(send), yard.task(queue="images", name="b")(send)]
    messages = [tasks[i % 2].message(str(i)) for i in range(1_000)]
    handles = yard.enqueue_many(messages)
    assert [handle.id for handle in handles] == [message.new_task.id for message in messages]
    assert [handle.queue for handle in handles] == ["email", "images"] * 500
    assert places_of(email.state())["ready"] == [handle.id for handle in handles[::2]]


def test_generator_of_messages_is_read_as_it_is_sent(yard: Taskyard, email: Engine) -> None:
    task = yard.task(queue="email")(send)
    seen: list[int] = []

    def messages() -> Iterator[Message]:
        for i in range(1_000):
            if i % 300 == 299:
                seen.append(len(envelopes(email)))
            yield task.message(str(i))

    assert len(yard.enqueue_many(messages())) == 1_000
    assert seen == [256, 512, 768]


def test_messages_with_large_payloads_are_sent_in_calls_of_a_mebibyte(yard: Taskyard, email: Engine) -> None:
    task = yard.task(queue="email")(send)
    assert len(yard.enqueue_many(task.message("x" * 400_000) for _ in range(7))) == 7
    assert len(yard.enqueue_many([task.message("x" * 1_048_500)])) == 1
    assert len(envelopes(email)) == 8


def test_one_message_twice_is_one_task(yard: Taskyard, email: Engine) -> None:
    message = yard.task(queue="email")(send).message("ada")
    first, second = yard.enqueue_many([message, message])
    assert first.id == second.id
    assert len(envelopes(email)) == 1


def test_nothing_is_no_message_and_no_call(yard: Taskyard) -> None:
    assert yard.enqueue_many([]) == []


def bad_messages(task: Any, kind: str) -> Iterator[Message]:
    for i in range(600):
        yield task.message(str(i))
    if kind == "payload":
        yield task.message(object())
    yield "no message"  # type: ignore[misc]


@pytest.mark.parametrize("kind", ["payload", "message"])
def test_error_in_the_middle_says_how_many_had_entered(yard: Taskyard, email: Engine, kind: str) -> None:
    task = yard.task(queue="email")(send)
    with pytest.raises((InvalidPayload, InvalidArgument)) as stopped:
        yard.enqueue_many(bad_messages(task, kind))
    assert stopped.value.enqueued == 512 == len(envelopes(email))
    with pytest.raises((InvalidPayload, InvalidArgument)) as stopped:
        asyncio.run(yard.aenqueue_many(bad_messages(task, kind)))
    assert stopped.value.enqueued == 512
    assert len(envelopes(email)) == 1_024


def test_unreachable_server_is_one_clear_error() -> None:
    yard = Taskyard("redis://127.0.0.1:1/0")
    yard.client._patience_seconds = 0.1
    with pytest.raises(ServerUnavailable, match="does not answer") as refused:
        yard.task(send).enqueue("ada")
    assert refused.value.enqueued == 0


def test_async_enqueue_works_in_one_event_loop_after_another(yard: Taskyard, email: Engine) -> None:
    task = yard.task(queue="email")(send)

    async def enqueue() -> str:
        handle = await task.aenqueue("ada")
        await yard.aenqueue_many(task.message(str(i)) for i in range(300))
        await yard.aclose()
        return handle.id

    first, second = asyncio.run(enqueue()), asyncio.run(enqueue())
    assert {first, second} <= envelopes(email).keys()
    assert len(envelopes(email)) == 602


def test_async_enqueues_at_once_share_connections_and_lose_nothing(yard: Taskyard, email: Engine) -> None:
    task = yard.task(queue="email")(send)

    async def enqueue() -> int:
        handles = await asyncio.gather(*(task.aenqueue(str(i)) for i in range(200)))
        await yard.aclose()
        return len({handle.id for handle in handles})

    assert asyncio.run(enqueue()) == 200
    assert len(envelopes(email)) == 200


# Looking.


def test_peek_shows_what_is_next_and_changes_nothing(yard: Taskyard, email: Engine) -> None:
    task = yard.task(queue="email")(send)
    low, high = task.enqueue("low"), task.options(priority=1).enqueue("high")
    before = email.state()
    assert [summary.id for summary in yard.queue("email").peek(5)] == [high.id, low.id]
    assert email.state() == before


def test_status_of_a_task_is_found_in_any_queue(yard: Taskyard) -> None:
    handle = yard.task(queue="email")(send).enqueue("ada")
    assert yard.task_status(handle.id).state == "ready"
    assert yard.task_status(handle.id, queue="email").id == handle.id
    with pytest.raises(UnknownTask, match="no task 'nobody' in any queue"):
        yard.task_status("nobody")


def test_yard_shows_itself_without_its_password() -> None:
    assert repr(Taskyard("redis://:secret@localhost/0")) == "<Taskyard redis://:***@localhost/0 qc: 0 tasks>"


def test_a_task_of_another_application_is_sent_by_its_name(redis_url: str, namespace: str) -> None:
    yard = Taskyard(redis_url, namespace=namespace)
    handle = yard.send("resize", {"path": "a.png", "width": 640}, queue="images", priority=2, task_id="img-1")
    task = yard.task_status(handle.id)
    assert (task.queue, task.name, task.priority, task.payload_json) == (
        "images",
        "resize",
        2,
        '{"path":"a.png","width":640}',
    )
    assert not yard.send("resize", {"path": "b.png"}, queue="images", task_id="img-1").is_new
    with pytest.raises(InvalidArgument):
        yard.send("a/b")
    with pytest.raises(InvalidArgument, match="task name ''"):
        yard.send("")
    with pytest.raises(InvalidArgument):
        yard.send("resize", {"at": object()})
    with pytest.raises(InvalidArgument, match="arguments 5 are not accepted: a mapping"):
        yard.send("resize", 5)  # type: ignore[arg-type]
    yard.close()


def test_task_that_is_sent_by_its_name_is_checked_where_it_is_declared(yard: Taskyard, email: Engine) -> None:
    """In its queue: in another one it may be another application's."""
    yard.task(queue="email")(send)
    for arguments in ({}, {"to": 5}, {"to": "ada", "cc": "bob"}):
        with pytest.raises(InvalidPayload, match="task send: "):
            yard.send("send", arguments, queue="email")
    assert email.state() == {}
    assert yard.send("send", {"to": "ada"}, queue="email").is_new
    assert yard.send("send", {"to": 5}, queue="images").is_new
