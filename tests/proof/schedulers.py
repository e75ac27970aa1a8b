"""Schedulers that tick one request at a time, each in its own code and with its own clock; and schedules in the words
of their model (`schedules_model`)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Coroutine, Generator, Mapping, Sequence
from dataclasses import dataclass, field
from types import coroutine
from typing import Any

from queue_core import keys, schedule, timetable
from queue_core.protocol import Argument, Call
from queue_core.task import Sending, message_by_name
from queue_core.timetable import Schedule
from queue_core.worker.complaints import Complaints
from queue_core.worker.scheduler import Scheduler
from tests.engine import Engine
from tests.proof.chance import Chance
from tests.proof.schedules_model import Entry, Said

NAMES = ("minutely", "a.b:c", "long-" * 25)
APPS = ("shop:yard", "shop:yard", "other:yard")
MINUTE = 60_000
WISHES = tuple(
    Said(period, missed, overlap, priority)
    for period in (MINUTE, 5 * MINUTE)
    for missed in schedule.MISSED
    for overlap, priority in ((True, 0), (False, 0), (True, 5))
)
"""What may be wanted of a schedule."""
ERRORS_MS = (0, 0, 0, 2 * MINUTE, 10 * MINUTE, -2 * MINUTE, -10 * MINUTE)
"""By how much a scheduler has the time wrong."""
TASK = "send"


@dataclass
class Tick:
    """Of a scheduler, between two of its requests. `looked_at`: when it first did; `now`: the time as it has it by its
    own clock; `told`: as it was told where something would have been too early."""

    running: Coroutine[Any, Any, float]
    request: Any = None
    looked_at: int = 0
    server_ms: int = 0
    """At its last look."""
    now: int = 0
    told: dict[str, int] = field(default_factory=dict)
    read: dict[str, bytes] = field(default_factory=dict)
    stood: dict[str, set[bytes]] = field(default_factory=lambda: defaultdict(set))
    """Whatever it has found stored of each schedule, or has stored itself."""
    refused: set[str] = field(default_factory=set)
    """Schedules of which something was not answered as it is to be."""


class SteppedClient:
    """A scheduler's client: it hands each request to whoever drives it, and is given the answer."""

    def __init__(self, engine: Engine) -> None:
        self.url, self.namespace, self.queue = engine.url, engine.client.namespace, engine.client.queue
        self.clock = engine.client.clock

    @coroutine
    def execute(self, *commands: Sequence[Argument]) -> Generator[Any, Any, Any]:
        return (yield commands)

    @coroutine
    def run(self, call: Call[Any]) -> Generator[Any, Any, Any]:
        return (yield call)

    @coroutine
    def register(self, queue: str) -> Generator[Any, Any, Any]:
        yield (("SADD", keys.queues(self.namespace), queue),)


class Actor:
    """A scheduler with its code."""

    def __init__(self, engine: Engine, name: str, app: str, code: Mapping[str, Said], error_ms: int) -> None:
        self.name, self.app, self.code, self.error_ms = name, app, dict(code), error_ms
        client: Any = SteppedClient(engine)
        self.scheduler = Scheduler(client, app, declared_by(code), Complaints(), error_ms=error_ms)
        self.tick: Tick | None = None
        self.is_declaring = True


def of_schedule(call: Call[Any]) -> tuple[str, bytes, bytes]:
    """Of `set_schedule`: the schedule's name, as it was seen, and as it is to be."""
    name, seen, wanted = call.arguments
    assert isinstance(name, str)
    assert isinstance(seen, bytes)
    assert isinstance(wanted, bytes)
    return name, seen, wanted


def resumed(entry: Entry | None, now: int) -> Entry:
    return known(entry).resume(now)


def known(entry: Entry | None) -> Entry:
    assert entry
    return entry


def with_priority(said: Said, entry: Entry | None) -> Said:
    """An operator's change leaves it."""
    known_said = known(entry).said
    return Said(said.period_ms, said.missed, said.overlap, known_said.priority)


def some_code(chance: Chance) -> dict[str, Said]:
    return {name: chance.choice(WISHES) for name in NAMES if chance.is_so(0.6)}


def declared_by(code: Mapping[str, Said]) -> dict[str, Schedule]:
    return {name: SCHEDULES[name, said] for name, said in code.items()}


def schedule_of(name: str, said: Said) -> Schedule:
    message = message_by_name(TASK, "email", {}, Sending(priority=said.priority))
    return timetable.make(name, message, every=said.period_ms / 1000, missed=said.missed, overlap=said.overlap)


SCHEDULES = {(name, said): schedule_of(name, said) for name in NAMES for said in WISHES}
SAYINGS = {timetable.digest(made): said for (_, said), made in SCHEDULES.items()}


def said_by(name: str, data: bytes) -> Entry:
    """What is stored, in the model's words."""
    found = timetable.read(name, data)
    return Entry(
        Said(found.every_ms, found.missed, found.overlap, found.priority),
        found.since,
        found.app,
        SAYINGS[found.declared] if found.declared else None,
        bool(found.undeclared_at),
        found.paused is not None,
    )
