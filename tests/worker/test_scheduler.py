"""Schedulers, ticked by hand: each occurrence once, however many there are, however late or wrong their clocks."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest

from queue_core import Message, Taskyard, fsck, keys, protocol, timetable
from queue_core.aio import AsyncClient
from queue_core.chain import Chain
from queue_core.schedules import Schedules
from queue_core.timetable import Schedule
from queue_core.worker import scheduler
from queue_core.worker.complaints import Complaints
from queue_core.worker.scheduler import Scheduler
from tests.engine import START_MS, Engine

pytestmark = pytest.mark.each_server

HOUR, MINUTE = 3_600_000, 60_000
SELDOM_SECONDS = 300.0
"""Between two looks at what is stored, where nothing comes: hours pass in these tests."""
FULL_HOUR = START_MS // HOUR * HOUR + HOUR
ACT: dict[str, Any] = {"by": "ada", "action_id": "form-1"}
yard = Taskyard()


@yard.task(queue="email")
def send() -> None: ...


@pytest.fixture(autouse=True)
def looking_seldom(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scheduler, "LONGEST_WAIT_SECONDS", SELDOM_SECONDS)


@pytest.fixture
def engine(redis_url: str, namespace: str) -> Iterator[Engine]:
    engine = Engine(redis_url, namespace)
    yield engine
    if engine.redis.exists(engine.queue.control):
        engine.check_books()
    engine.close()


def declared(**schedules: dict[str, Any]) -> dict[str, Schedule]:
    return {name: timetable.make(name, send.message(), **options) for name, options in schedules.items()}


HOURLY = declared(hourly={"every": 3_600})


class Ticking:
    """Some schedulers of one server, each with a client of its own."""

    def __init__(
        self,
        engine: Engine,
        *errors_ms: int,
        app: str = "shop:yard",
        code: Mapping[str, Schedule] = HOURLY,
        chain: Chain | None = None,
    ) -> None:
        self.engine = engine
        self._chain = chain
        self._errors_ms = errors_ms or (0,)
        self._code, self._app = code, app
        self._runner = asyncio.Runner()
        self.schedulers: list[Scheduler] = []
        self._clients: list[AsyncClient] = []

    def __enter__(self) -> Ticking:
        for error_ms in self._errors_ms:
            client = AsyncClient(self.engine.url, self.engine.client.namespace, clock=lambda: self.engine.now)
            self._clients.append(client)
            made = Scheduler(client, self._app, self._code, Complaints(), self._chain, error_ms=error_ms)
            self.schedulers.append(made)
        return self

    def __exit__(self, *_: object) -> None:
        async def close() -> None:
            for client in self._clients:
                await client.close()

        self._runner.run(close())
        self._runner.close()

    def tick(self) -> list[float]:
        """All at once."""

        async def tick() -> list[float]:
            return await asyncio.gather(*(one.tick() for one in self.schedulers))

        return self._runner.run(tick())

    def until(self, ms: int) -> None:
        """They tick when they said they would, and at that time."""
        while self.engine.now < ms:
            wait_ms = max(1, round(min(self.tick()) * 1000))
            self.engine.now = min(ms, self.engine.now + wait_ms)
        self.tick()


def made(engine: Engine) -> list[str]:
    return sorted(engine.state().get("tasks", {}))


def stored(engine: Engine, name: str = "hourly") -> Schedule:
    return timetable.read(name, engine.redis.hget(keys.schedules(engine.client.namespace), name))


def hours(*numbers: int) -> list[str]:
    return [HOURLY["hourly"].occurrence(FULL_HOUR + number * HOUR).id for number in numbers]


def test_occurrence_is_enqueued_when_its_time_has_come_and_once(engine: Engine) -> None:
    with Ticking(engine) as ticking:
        ticking.until(FULL_HOUR - 1)
        assert made(engine) == []
        assert ticking.tick() == [0.001]
        engine.now = FULL_HOUR
        ticking.tick()
        ticking.tick()
        assert made(engine) == hours(0)
        envelope = engine.state()["tasks"][hours(0)[0]]
        assert envelope == f'send {{"schedule":"hourly","scheduled_for":{FULL_HOUR}}}\n{{}}'
        assert engine.state()["occurrences"] == {"hourly": f"{FULL_HOUR} {hours(0)[0]} made"}
        assert ticking.tick() == [SELDOM_SECONDS]
        ticking.until(FULL_HOUR + 3 * HOUR)
    assert made(engine) == hours(0, 1, 2, 3)
    assert engine.redis.smembers(keys.queues(engine.client.namespace)) == {b"email"}


def test_schedulers_with_clocks_ten_minutes_wrong_enqueue_each_occurrence_once_and_none_early(engine: Engine) -> None:
    minutely = declared(minutely={"every": 60})
    begin, end = FULL_HOUR - HOUR // 2, FULL_HOUR
    engine.now = begin
    with Ticking(engine, 600_000, -600_000, 0, code=minutely) as ticking:
        for _ in range(30):
            before = engine.now
            ticking.until(before + MINUTE)
            assert all(timetable.noted(note.encode())[0] <= engine.now for note in noted(engine))  # type: ignore[index]
    expected = [minutely["minutely"].occurrence(at).id for at in range(begin + MINUTE, end + 1, MINUTE)]
    assert made(engine) == sorted(expected)


@pytest.mark.parametrize("error_ms", [600_000, -600_000])
def test_scheduler_whose_clock_alone_is_wrong_enqueues_each_occurrence_once(engine: Engine, error_ms: int) -> None:
    with Ticking(engine, error_ms) as ticking:
        ticking.until(FULL_HOUR - 1)
        assert made(engine) == []
        ticking.until(FULL_HOUR + 2 * HOUR + 15 * MINUTE)
    assert made(engine) == hours(0, 1, 2)


def noted(engine: Engine) -> list[str]:
    return list(engine.state().get("occurrences", {}).values())


@pytest.mark.parametrize(("missed", "expected"), [("one", [4]), ("all", [1, 2, 3, 4]), ("skip", [])])
def test_missed_occurrences_are_made_up_for_as_the_schedule_says(
    engine: Engine, missed: str, expected: list[int]
) -> None:
    code = declared(hourly={"every": 3_600, "missed": missed})
    with Ticking(engine, code=code) as ticking:
        ticking.until(FULL_HOUR)
    engine.now = FULL_HOUR + 4 * HOUR + 2 * MINUTE
    with Ticking(engine, 0, 0, code=code) as later:
        later.tick()
        assert made(engine) == hours(0, *expected)
        later.until(FULL_HOUR + 5 * HOUR)
    assert made(engine) == hours(0, *expected, 5)


def test_occurrences_of_before_the_schedule_was_are_nobodys(engine: Engine) -> None:
    with Ticking(engine, code=declared(hourly={"every": 3_600, "missed": "all"})) as ticking:
        ticking.tick()
    assert made(engine) == []


def test_scheduler_that_dies_between_two_occurrences_leaves_the_rest_to_the_next(engine: Engine) -> None:
    """Its call is on its way when it dies: whether it arrived or not, the next one does not do it again."""
    code = declared(hourly={"every": 3_600, "missed": "all"})
    with Ticking(engine, code=code) as ticking:
        ticking.tick()
        engine.now = FULL_HOUR + 3 * HOUR
        client = ticking._clients[0]
        run, calls = client.run, []

        async def die_after_two(call: Any, channel: Any = None) -> Any:
            answer = await run(call, channel)
            calls.append(call)
            if len(calls) == 2:
                raise RuntimeError("killed")
            return answer

        client.run = die_after_two  # type: ignore[method-assign]
        with pytest.raises(RuntimeError, match="killed"):
            ticking.tick()
        client.run = run  # type: ignore[method-assign]
    assert made(engine) == hours(0, 1)
    with Ticking(engine, code=code) as other:
        other.tick()
    assert made(engine) == hours(0, 1, 2, 3)


def test_overlapping_occurrence_makes_no_task_while_the_earlier_one_has_not_ended(engine: Engine) -> None:
    code = declared(hourly={"every": 3_600, "overlap": False})
    with Ticking(engine, code=code) as ticking:
        ticking.until(FULL_HOUR + HOUR)
        (first,) = hours(0)
        assert made(engine) == [first]
        assert noted(engine) == [f"{FULL_HOUR + HOUR} {first} met"]
        claimed = engine.claim(1)
        engine.run(protocol.complete(engine.queue, [protocol.Held(first, claimed.fence, unique_key="schedule:hourly")]))
        ticking.until(FULL_HOUR + 2 * HOUR)
    assert made(engine) == hours(2)


def test_queue_that_takes_no_tasks_gets_them_later_by_the_policy(engine: Engine) -> None:
    engine.enqueue("filling")
    engine.limit(max_length=1)
    with Ticking(engine) as ticking:
        ticking.until(FULL_HOUR + HOUR + 5 * MINUTE)
        assert made(engine) == ["filling"]
        engine.limit(max_length=None)
        ticking.until(engine.now + 6_000)
    assert made(engine) == ["filling", *hours(1)]


def test_damaged_queue_or_schedule_keeps_no_other_waiting(engine: Engine) -> None:
    code = declared(hourly={"every": 3_600}, broken={"every": 3_600})
    code["broken"] = timetable.make("broken", yard_of_other_queue(), every=3_600)
    other = engine.client.queue("other")
    engine.redis.set(other.occurrences, "no hash")
    engine.redis.hset(keys.schedules(engine.client.namespace), "nonsense", "{}")
    with Ticking(engine, code=code) as ticking:
        ticking.until(FULL_HOUR)
        assert made(engine) == hours(0)
        engine.redis.delete(other.occurrences)
        ticking.until(FULL_HOUR + 6_000)
    assert engine.redis.hlen(other.tasks) == 1


def yard_of_other_queue() -> Any:
    other = Taskyard()

    @other.task(queue="other")
    def send() -> None: ...

    return send.message()


# Middleware.


class Hook:
    """Does with the next message what it is told."""

    def __init__(self) -> None:
        self.do: Callable[[Message], Message] = lambda message: message.with_headers({"by": "hook"})
        self.threads: set[int] = set()

    def before_enqueue(self, message: Message) -> Message:
        self.threads.add(threading.get_ident())
        return self.do(message)


@pytest.fixture
def hook() -> Hook:
    return Hook()


@pytest.fixture
def chain(hook: Hook) -> Chain:
    chain = Chain()
    chain.add(hook)
    return chain


def test_occurrences_pass_through_middleware_on_their_way(engine: Engine, hook: Hook, chain: Chain) -> None:
    """Not on the event loop, which keeps leases alive."""
    with Ticking(engine, 0, 0, chain=chain) as ticking:
        ticking.until(FULL_HOUR + HOUR)
    assert made(engine) == hours(0, 1)
    heads = [envelope.split("\n")[0] for envelope in engine.state()["tasks"].values()]
    assert all('"schedule":"hourly"' in head and '"headers":{"by":"hook"}' in head for head in heads)
    assert threading.get_ident() not in hook.threads


def refuse(message: Message) -> Message:
    raise ArithmeticError("not now")


@pytest.mark.parametrize(
    ("do", "said"),
    [
        (refuse, "before_enqueue raised ArithmeticError: not now"),
        (lambda message: "no message", "before_enqueue raised InvalidArgument: before_enqueue returned 'no message'"),
        (lambda message: message._replace(queue="other"), "keeps its id and its queue"),
        (lambda message: message._replace(new_task=message.new_task._replace(id="other")), "keeps its id"),
    ],
)
def test_occurrence_that_middleware_refuses_waits_and_keeps_no_other_waiting(
    engine: Engine, hook: Hook, chain: Chain, caplog: pytest.LogCaptureFixture, do: Any, said: str
) -> None:
    do_well, hook.do = hook.do, lambda message: do(message) if message.task_id.startswith("a-") else message
    code = declared(a={"every": 3_600}, hourly={"every": 3_600})
    with Ticking(engine, code=code, chain=chain) as ticking:
        ticking.until(FULL_HOUR + 2 * MINUTE)
        assert made(engine) == hours(0)
        assert caplog.text.count(said) == 1
        assert "other" not in str(engine.redis.smembers(keys.queues(engine.client.namespace)))
        hook.do = do_well
        ticking.until(engine.now + 1_000 * SELDOM_SECONDS)  # type: ignore[arg-type]
    assert made(engine) == [code["a"].occurrence(FULL_HOUR).id, *hours(0)]


# What operators do, and what the code declares.


def test_paused_schedule_makes_no_tasks_and_no_old_ones_when_it_goes_on(engine: Engine) -> None:
    with Ticking(engine) as ticking:
        ticking.until(FULL_HOUR)
        operators = Schedules(client=engine.client)
        operators.pause("hourly", **ACT, reason="why")
        ticking.until(FULL_HOUR + 2 * HOUR + MINUTE)
        assert made(engine) == hours(0)
    with Ticking(engine) as restarted:  # a deploy changes nothing in it
        restarted.until(FULL_HOUR + 3 * HOUR + MINUTE)
        assert made(engine) == hours(0)
        operators.resume("hourly", by="ada", action_id="form-2")
        restarted.until(FULL_HOUR + 4 * HOUR - 1)
        assert made(engine) == hours(0)
        restarted.until(FULL_HOUR + 4 * HOUR)
    assert made(engine) == hours(0, 4)


def test_schedule_that_is_added_while_everything_runs_is_known_in_time(engine: Engine) -> None:
    with Ticking(engine, code={}) as ticking:
        ticking.tick()
        Schedules(client=engine.client).add("hourly", "send", queue="email", every=3_600, **ACT)
        ticking.until(FULL_HOUR)
        assert made(engine) == hours(0)
        Schedules(client=engine.client).remove("hourly", by="ada", action_id="form-2")
        ticking.until(FULL_HOUR + HOUR)
    assert made(engine) == hours(0)
    assert "occurrences" not in engine.state()


def test_deleted_queue_gets_no_old_occurrences(engine: Engine) -> None:
    from queue_core.control import Control

    with Ticking(engine) as ticking:
        ticking.until(FULL_HOUR)
        engine.later(MINUTE)
        Control(client=engine.client).delete_queue("email", force=True, **ACT)
        ticking.until(FULL_HOUR + 10 * MINUTE)
    with Ticking(engine) as restarted:
        restarted.until(FULL_HOUR + HOUR - 1)
        assert made(engine) == []
        restarted.until(FULL_HOUR + HOUR)
    assert made(engine) == hours(1)


def test_last_start_of_the_code_wins_and_says_so_once(engine: Engine) -> None:
    old, new = declared(hourly={"every": 3_600}), declared(hourly={"cron": "30 * * * *"})
    with Ticking(engine, code=old) as older, Ticking(engine, code=new) as newer:
        older.tick()
        newer.tick()
        assert stored(engine).cron == "30 * * * *"
        older.until(FULL_HOUR + HOUR)
        newer.tick()
        assert stored(engine).cron == "30 * * * *"
        assert not older.schedulers[0].declare(old), "a process that is replaced says nothing new"
        older.tick()
        assert stored(engine).cron == "30 * * * *"
        assert older.schedulers[0].declare(new)
        older.tick()
        assert older.schedulers[0].declare(old)
        older.tick()
        assert stored(engine).every_ms == 3_600_000
    assert len(made(engine)) == 2, "both keep to what is stored"


def test_schedule_that_its_code_no_longer_declares_goes_on_and_says_so(engine: Engine) -> None:
    with Ticking(engine) as ticking, Ticking(engine, app="other:yard", code={}) as other:
        ticking.tick()
        other.tick()
        assert not stored(engine).undeclared_at, "that is other code"
        with Ticking(engine, code={}) as newer:
            newer.tick()
            assert stored(engine).undeclared_at == engine.now
            newer.until(FULL_HOUR)
        assert made(engine) == hours(0)
        with Ticking(engine) as again:
            again.tick()
        assert not stored(engine).undeclared_at


def test_schedule_that_code_moves_to_another_queue_leaves_nothing_in_the_former_one(engine: Engine) -> None:
    with Ticking(engine) as ticking:
        ticking.until(FULL_HOUR)
    elsewhere = {"hourly": timetable.make("hourly", yard_of_other_queue(), every=3_600)}
    with Ticking(engine, code=elsewhere) as moved:
        moved.until(FULL_HOUR + HOUR)
    other = engine.client.queue("other")
    assert made(engine) == hours(0)
    assert [id.decode() for id in engine.redis.hkeys(other.tasks)] == hours(1)
    assert list(fsck.check(engine.client, "email")) == []


def test_two_that_start_at_once_declare_all_of_it(engine: Engine) -> None:
    code = declared(**{f"s{number}": {"every": 60 + number} for number in range(20)})
    with Ticking(engine, 0, 0, 0, code=code) as ticking:
        ticking.tick()
    assert engine.redis.hlen(keys.schedules(engine.client.namespace)) == 20


def test_full_server_gets_its_occurrences_when_it_has_room_again(engine: Engine) -> None:
    with Ticking(engine) as ticking:
        ticking.until(FULL_HOUR - 1)
        engine.redis.config_set("maxmemory", 1)
        try:
            ticking.until(FULL_HOUR + 20_000)
            assert made(engine) == []
        finally:
            engine.redis.config_set("maxmemory", 0)
        ticking.until(FULL_HOUR + 30_000)
    assert made(engine) == hours(0)
