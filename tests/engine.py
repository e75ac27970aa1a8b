"""A queue under test: a clock that is passed in, seeding through the protocol, and its whole state as
plain Python."""

from __future__ import annotations

import functools
import json
import math
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from queue_core import decoding, ids, keys, protocol
from queue_core.client import Client
from queue_core.codec import Options, encode_envelope
from queue_core.fingerprint import make_failure
from queue_core.keys import SENTINEL, QueueKeys
from queue_core.limits import changes
from queue_core.protocol import Argument, Call, Claimed, FailedTask, Held, NewTask, Session
from queue_core.snapshot import COUNTERS, Figures
from queue_core.task import milliseconds
from tests.invariants import State, places_of, problems_of

T = TypeVar("T")

START_MS = 1_763_770_000_000
LEASE_MS = 30_000
KEEP_MS = 86_400_000
PLACES = ("held", "running", "dead", "trashed", "retrying", "scheduled", "prioritized", "ready")
"""In the order in which `seed` can fill them: those first that need a claim."""
READS: dict[str, tuple[Any, ...]] = {
    "string": ("GET",), "hash": ("HGETALL",), "list": ("LRANGE", 0, -1), "set": ("SMEMBERS",),
    "zset": ("ZRANGE", 0, -1, "WITHSCORES"),
}  # fmt: skip
"""Type of a key → what reads all of it."""
IDLE_PLACES = ("held", "dead", "retrying", "scheduled", "prioritized", "ready")
"""Where a task is when it neither runs nor lies in the trash."""
BOOKS = (*COUNTERS, "wait", "run")
"""Every field of the books."""


class Engine:
    """One queue on a real server. `now` is the time of every call, in ms; `later` lets it pass."""

    def __init__(self, url: str, namespace: str = "test", queue: str = "email") -> None:
        self.url = url
        self.now = START_MS
        self.client = Client(url, namespace, clock=lambda: self.now)
        self.queue: QueueKeys = self.client.queue(queue)
        self.redis: Any = self.client.redis
        self.prefix = self.queue.tasks.removesuffix("tasks")
        self.session = Session("seed")
        self._made = 0

    def later(self, ms: int) -> int:
        self.now += ms
        return self.now

    def start_over(self) -> None:
        """An empty server, and the clock as it was at first."""
        self.redis.flushall()
        self.now, self._made = START_MS, 0

    def keep(self) -> Callable[[], None]:
        """Gives what puts back all that is on the server now, and the clock."""
        now, made = self.now, self._made
        names: list[bytes] = self.redis.keys("*")
        with self.redis.pipeline(transaction=False) as pipeline:
            for name in names:
                pipeline.dump(name)
                pipeline.pttl(name)
            answers = pipeline.execute()
        kept = [(name, answers[2 * i], max(answers[2 * i + 1], 0)) for i, name in enumerate(names)]

        def put_back() -> None:
            with self.redis.pipeline(transaction=False) as pipeline:
                pipeline.flushall()
                for name, value, left_ms in kept:
                    pipeline.restore(name, left_ms, value)
                pipeline.execute()
            self.now, self._made = now, made

        return put_back

    def close(self) -> None:
        self.client.close()

    # Calls.

    def run(self, call: Call[T]) -> T:
        return self.client.run(call, self.session)

    def command(self, call: Call[Any], session: Session | None = None) -> list[Argument]:
        """The command of a call, to be sent more than once. Its script is known to the server."""
        self.redis.script_load(call.script.text)
        return (session or self.session).command(call, self.now)

    def send(self, command: Sequence[Argument]) -> Any:
        return self.redis.execute_command(*command)

    def at_once(self, calls: Sequence[Callable[[], Call[Any]]]) -> list[Any]:
        """Every call from a thread and a connection of its own, released together."""
        made = [make() for make in calls]
        return self.together([lambda client, call=call: client.run(call) for call in made])  # type: ignore[misc]

    def together(self, uses: Sequence[Callable[[Client], T]]) -> list[T]:
        """Every use in a thread with a client and a connection of its own, released together."""
        gate = threading.Barrier(len(uses))
        answers: list[Any] = [AssertionError("no answer")] * len(uses)

        def caller(index: int, use: Callable[[Client], T]) -> None:
            client = Client(self.url, self.client.namespace, clock=lambda: self.now)
            try:
                client.redis.ping()
                gate.wait(10)
                answers[index] = use(client)
            except BaseException as error:
                answers[index] = error
            finally:
                client.close()

        threads = [threading.Thread(target=caller, args=(i, use)) for i, use in enumerate(uses)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        for answer in answers:
            if isinstance(answer, BaseException):
                raise answer
        return answers

    # Seeding.

    def new_id(self) -> str:
        """An id of now: the same one in the same place of a test, so that what fails can be seen again."""
        self._made += 1
        number = (self.now << 80) | (7 << 76) | (2 << 62) | self._made
        digits = ""
        for _ in range(ids.ID_LENGTH):
            number, digit = divmod(number, 62)
            digits = ids.ALPHABET[digit] + digits
        return digits

    def new_task(
        self,
        task_id: str | None = None,
        name: str = "send",
        payload: bytes = b"{}",
        priority: int = 0,
        delay_ms: int = 0,
        due_ms: int = 0,
        **options: Any,
    ) -> NewTask:
        made = Options(priority=priority, **options)
        return NewTask(
            task_id or self.new_id(),
            encode_envelope(name, made, payload),
            priority,
            delay_ms,
            due_ms,
            expires_ms=milliseconds(made.expires),
            unique_key=made.unique_key or "",
            unique_ms=milliseconds(made.unique_for),
        )

    def enqueue(self, task_id: str | None = None, **what: Any) -> str:
        task = self.new_task(task_id, **what)
        assert self.run(protocol.enqueue(self.queue, [task])) == {}
        return task.id

    def enqueue_many(self, count: int, **what: Any) -> list[str]:
        tasks = [self.new_task(**what) for _ in range(count)]
        for start in range(0, count, 256):
            assert self.run(protocol.enqueue(self.queue, tasks[start : start + 256])) == {}
        return [task.id for task in tasks]

    def claim(self, limit: int = 10, worker: str = "w1", lease_ms: int = LEASE_MS, **how: Any) -> Claimed:
        return self.run(protocol.claim(self.queue, worker, limit, lease_ms, **how))

    def lease(self, task_id: str | None = None, **what: Any) -> Held:
        """Enqueue one task and lease it: nothing else may be ready."""
        task_id = self.enqueue(task_id, **what)
        claimed = self.claim(1)
        assert [task.id for task in claimed.tasks] == [task_id]
        return Held(task_id, claimed.fence, claimed.tasks[0].has_history)

    def failed(
        self,
        held: Held,
        verdict: str = protocol.RETRY,
        delay_ms: int = 1_000,
        message: str = "no answer",
        name: str = "send",
        **failure: Any,
    ) -> FailedTask:
        return FailedTask(
            held.id,
            held.fence,
            verdict,
            delay_ms,
            make_failure(name, "ValueError", message, **failure),
            {"worker": "w1"},
        )

    def fail(self, held: Held, verdict: str = protocol.RETRY, **how: Any) -> None:
        assert self.run(protocol.fail(self.queue, [self.failed(held, verdict, **how)])) == []

    def kill(self, count: int, message: str = "no answer", **what: Any) -> list[str]:
        """So many dead letters, in the order of their ids, which all died at this moment."""
        died = []
        for start in range(0, count, 250):
            self.enqueue_many(min(250, count - start), **what)
            claimed = self.claim(250)
            letters = [
                self.failed(Held(task.id, claimed.fence), protocol.DEAD, message=message) for task in claimed.tasks
            ]
            self.run(protocol.fail(self.queue, letters))
            died += [task.id for task in claimed.tasks]
        return died

    def seed(self, place: str, task_id: str | None = None, **what: Any) -> str:
        """A task in that place, put there as life would. Nothing else may be ready when it is called."""
        if place == "ready":
            return self.enqueue(task_id, **what)
        if place == "prioritized":
            return self.enqueue(task_id, **{"priority": 5, **what})
        if place == "scheduled":
            return self.enqueue(task_id, **{"delay_ms": 60_000, **what})
        if place == "held":
            what = {"name": "resize", **what}
        held = self.lease(task_id, **what)
        if place == "retrying":
            self.fail(held)
        elif place == "dead":
            self.fail(held, protocol.DEAD)
        elif place == "held":
            lane = f"unknown:{what['name']}"
            assert self.run(protocol.release(self.queue, [protocol.ReleasedTask(held.id, held.fence, lane)])) == []
        elif place == "trashed":
            self.fail(held, protocol.DEAD)
            assert self.trash(held.id) == {}
        return held.id

    def fault(self) -> str:
        """The fingerprint of the only fault, which is that of a dead letter where there is none yet."""
        if not self.redis.exists(self.queue.faults_seen):
            self.seed("dead")
        (fault,) = self.redis.zrange(self.queue.faults_seen, 0, -1)
        return str(fault.decode())

    def trash(self, *task_ids: str) -> dict[str, str]:
        return self.run(protocol.trash(self.queue, task_ids, KEEP_MS, "ada", "test")).skipped

    def cancel(self, *task_ids: str) -> dict[str, str]:
        return self.run(protocol.cancel(self.queue, task_ids, {"by": "ada", "reason": "test"})).skipped

    def delete(self, *task_ids: str) -> dict[str, str]:
        return self.run(protocol.delete(self.queue, task_ids)).skipped

    def limit(self, **limits: Any) -> bool:
        """Whether anything changed."""
        return self.run(protocol.limit(self.queue, changes(**limits), "ada")).has_changed

    # Reading.

    def place_of(self, task_id: str) -> str:
        """The one place in which the task is."""
        (place,) = (place for place, members in places_of(self.state()).items() if task_id in members)
        return place

    def state(self) -> State:
        """Everything that the queue's keys hold, but sessions, what was counted by the minute and by name, and how
        often the queue was changed."""
        names: list[bytes] = sorted(self.redis.keys(self.prefix + "*"))
        counted = (self.queue.telemetry, self.queue.names, self.queue.attempts)
        left_out = tuple(key.encode() for key in (self.queue.session(""), *counted))
        names = [name for name in names if not name.startswith(left_out)]
        with self.redis.pipeline(transaction=False) as pipeline:  # a full server refuses MULTI, even of reads
            for name in names:
                pipeline.type(name)
            kinds = pipeline.execute()
        found = self.values({_text(name): _text(kind) for name, kind in zip(names, kinds, strict=True)})
        found.get("control", {}).pop("changes", None)
        return found

    def values(self, keys: Mapping[str, str]) -> State:
        """What these keys hold (key → its type), in one round trip. Keys that are not there are left out."""
        pool = self.redis.connection_pool
        connection = pool.get_connection()  # by hand: models look at everything after every step
        try:
            connection.send_packed_command([b"".join(_read(key, kind) for key, kind in keys.items())])
            values: list[Any] = [connection.read_response() for _ in keys]
        except Exception:
            connection.disconnect()
            raise
        finally:
            pool.release(connection)
        found = zip(keys.items(), values, strict=True)
        return _parsed({key.removeprefix(self.prefix): _plain(kind, value) for (key, kind), value in found if value})

    def telemetry(self) -> Telemetry:
        fields = self.redis.hgetall(self.queue.telemetry)
        minutes, hours = (
            {int(name[1:]): decoding.figures(value) or Figures() for name, value in fields.items() if name[:1] == kind}
            for kind in (b"m", b"h")
        )
        return Telemetry(
            since=decoding.number(fields.get(b"since")),
            noted=decoding.number(self.redis.hget(self.queue.control, "minute")),
            last=decoding.figures(fields.get(b"last")) or Figures(),
            books=decoding.figures_of_books(self.redis.hmget(self.queue.stats, BOOKS)),
            minutes=minutes,
            hours=hours,
            names={
                int(name[1:]): decoding.figures_by_name(value) for name, value in fields.items() if name[:1] == b"n"
            },
        )

    def check_books(self) -> State:
        state = self.state()
        assert problems_of(state) == []
        return state


@dataclass(frozen=True)
class Telemetry:
    """What was counted when. Minutes and hours are since 1970, `since` is in ms. `last`: the books as `noted` began."""

    since: int
    noted: int
    last: Figures
    books: Figures
    minutes: dict[int, Figures]
    hours: dict[int, Figures]
    names: dict[int, dict[str, Figures]]


def changed(before: State, **changes: Any) -> State:
    """The state with some keys replaced; `None` takes a key away."""
    return {name: value for name, value in {**before, **changes}.items() if value is not None}


def counted(before: State, **more: int) -> dict[str, str]:
    """The books with so many more of some things."""
    stats: dict[str, str] = before.get("stats", {})
    return {**stats, **{name: str(int(stats.get(name, 0)) + number) for name, number in more.items()}}


def without(mapping: Mapping[str, Any], *names: str) -> dict[str, Any] | None:
    """A hash or sorted set without some members; `None` when nothing is left, as Redis has it."""
    return {name: value for name, value in mapping.items() if name not in names} or None


def lease_of(*task_ids: str, expires_at: int) -> dict[str, float]:
    return {**dict.fromkeys(task_ids, expires_at), SENTINEL: math.inf}


def running_of(*task_ids: str, fence: int, at: int, worker: str = "w1", digits: str = "") -> dict[str, str]:
    return {**dict.fromkeys(task_ids, f"{fence} {at} {digits} {worker}"), SENTINEL: SENTINEL}


def element_of(task_id: str, at_ms: int) -> str:
    """An element of `ready` with its time behind it."""
    return (task_id if ids.is_timed(task_id) else f":{task_id}") + ids.encode_time(at_ms)


def score_of(priority: int, at_ms: int) -> int:
    return at_ms - ids.EPOCH_MS - priority * keys.PRIORITY_STEP


def _parsed(state: State) -> State:
    """The state with the JSON that scripts write as values: its order is no part of it."""
    for task_id, text in state.get("trashed", {}).items():
        state["trashed"][task_id] = json.loads(text)
    for lane, text in state.get("closed", {}).items():
        word, _, facts = text.partition(" ")
        state["closed"][lane] = (word, json.loads(facts))
    for noted in ("minute", "hour"):
        state.get("control", {}).pop(noted, None)
    for name in {"paused", "limits"} & state.get("control", {}).keys():
        state["control"][name] = json.loads(state["control"][name])
    return state


@functools.lru_cache(maxsize=1_000)
def _read(key: str, kind: str) -> bytes:
    """What reads all of a key, as it is sent."""
    command, *arguments = READS[kind]
    parts = [str(part).encode() for part in (command, key, *arguments)]
    return b"".join([b"*%d\r\n" % len(parts), *(b"$%d\r\n%b\r\n" % (len(part), part) for part in parts)])


def _text(data: bytes) -> str:
    return data.decode("utf-8", "backslashreplace")


def _plain(kind: str, value: Any) -> Any:
    if kind == "string":
        return _text(value)
    if kind == "hash":
        return {_text(name): _text(content) for name, content in value.items()}
    if kind == "set":
        return {_text(member) for member in value}
    if kind == "zset":
        return {_text(member): score if math.isinf(score) else int(score) for member, score in value}
    return [_text(item) for item in value]
