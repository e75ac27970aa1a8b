"""Random lives of a queue into which schedules enqueue, step by step beside the model of both (`schedules_model`).

Schedulers tick one request at a time, each in its own code and with its own clock; they are slow or die between any two
requests, and what they have sent comes twice, or long after. Operators pause, resume, change, remove and run schedules
meanwhile, the queue is full, paused or at its rate, and its tasks run and end as they do in any queue (`machine`).
"""

from __future__ import annotations

import logging
from collections import Counter, defaultdict
from collections.abc import Callable, Coroutine, Generator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from types import coroutine
from typing import Any, ClassVar

import pytest
from hypothesis.stateful import precondition, rule
from redis.exceptions import ResponseError

from queue_core import codec, fsck, keys, limits, protocol, schedule, timetable
from queue_core.client import Client
from queue_core.control import Control
from queue_core.errors import QueueFull, QueueNotEmpty, RateLimited, ServerUnavailable, UnknownSchedule
from queue_core.inspector import Inspector
from queue_core.protocol import Argument, Call, NewTask, Session
from queue_core.schedules import Schedules
from queue_core.snapshot import Outcome
from queue_core.task import Sending, message_by_name
from queue_core.timetable import Schedule
from queue_core.worker.complaints import Complaints
from queue_core.worker.scheduler import Scheduler
from tests.engine import Engine
from tests.invariants import State
from tests.proof.chance import Chance, chances
from tests.proof.limits import Refused
from tests.proof.machine import Sent, tell
from tests.proof.places import MAX_CRASHES
from tests.proof.queue_machine import WEIGHTS, QueueMachine
from tests.proof.schedules_model import MOST_MISSED, Entry, Said, SchedulesModel

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
MOST_SCHEDULERS = 3
TASK = "send"
FAULTS = (
    "scheduler died", "its request came after its death", "its request was lost", "clock wrong",
    "operator's form again", "queue deleted",
)  # fmt: skip
"""What goes wrong on purpose, besides the faults of one queue."""
VERBS = ("add", "add", "change", "pause", "resume", "resume", "remove", "run_now", "run_now")


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


class OperatorsClient(Client):
    """Hands on what is to be compared with the model."""

    def __init__(self, machine: SchedulesMachine) -> None:
        super().__init__(machine.engine.url, machine.engine.client.namespace, clock=machine.engine.client.clock)
        self.machine = machine

    def run(self, call: Call[Any], session: Session | None = None) -> Any:
        if call.script.name == "audit":
            return super().run(call, session)
        return self.machine.carry_for_operator(call, session)

    def read(self, *commands: Sequence[Argument]) -> list[Any]:
        answers = super().read(*commands)
        for command in commands:
            if command[0] == "HDEL":
                self.machine.model.drop_note(str(command[2]))
            elif command[0] == "HGET":
                self.machine.seen = self.machine.model.stands(str(command[2]))
        return answers


class SchedulesMachine(QueueMachine):
    weights: ClassVar[Mapping[str, float]] = {
        **dict.fromkeys(WEIGHTS, 0.4), "go_on": 24, "claim": 4, "complete": 8, "operate": 5, "let_time_pass": 8,
        "limit": 0.6, "die": 1.5, "deploy": 1, "look_at_schedules": 1, "delete_queue": 1, "come_late": 3,
        "enqueue": 0.6, "send_again_later": 1, "send_again_beyond_the_window": 1, "send_stale": 1, "close_lane": 0.2,
        "pause": 0.3, "cancel": 0.5, "trash": 0.3,
    }  # fmt: skip
    kind_of_model = SchedulesModel
    model: SchedulesModel

    def __init__(self, engine: Engine, done: Counter[str]) -> None:
        super().__init__(engine, done)
        self.actors: list[Actor] = []
        self.started = 0
        self.late: list[tuple[str, Call[Any]]] = []
        """Requests of schedulers that have died: in whose session, and what is still on its way."""
        self.occurrence_of: dict[str, tuple[str, int]] = {}
        """Task → its schedule and its occurrence."""
        self.operator = OperatorsClient(self)
        self.schedules = Schedules(client=self.operator)
        self.inspector = Inspector(client=engine.client)
        self.chance = Chance(0)
        self.intent: Callable[[Entry | None, int], Entry] | None = None
        """What the operator who acts now wants to become of the entry that was seen."""
        self.seen: Entry | None = None
        """When an operator looked last."""
        self.forms = 0
        self.runs_now: dict[str, tuple[str, Sent]] = {}
        """Form that has run a schedule now → which, and the call."""
        self.patches = pytest.MonkeyPatch()
        self.patches.setattr(schedule, "MOST_MISSED", MOST_MISSED)
        self.patches.setattr(fsck, "LOOKS", 1)
        self.patches.setattr(logging.getLogger("taskyard.worker"), "disabled", True)

    # Schedulers.

    @rule(chance=chances)
    def go_on(self, chance: Chance) -> None:
        """One of the schedulers, for a few requests."""
        self.chance = chance
        if len(self.actors) < MOST_SCHEDULERS and (not self.actors or chance.is_so(0.25)):
            self.start(chance)
        actor = chance.choice(self.actors)
        for _ in range(chance.choice((1, 1, 2, 3, 5, 40))):
            self.step(actor, chance)
            if actor.tick is None:
                break

    @precondition(lambda self: self.actors)
    @rule(chance=chances)
    def die(self, chance: Chance) -> None:
        """What it has sent may still come."""
        self.done["scheduler died"] += 1
        sending = [actor for actor in self.actors if actor.tick and isinstance(actor.tick.request, Call)]
        actor = chance.choice(sending or self.actors)
        self.actors.remove(actor)
        if actor.tick:
            actor.tick.running.close()
            request = actor.tick.request
            if isinstance(request, Call):
                self.check_declared(actor, request)
                self.late.append((actor.name, request))

    @precondition(lambda self: self.late)
    @rule(chance=chances)
    def come_late(self, chance: Chance) -> None:
        self.done["its request came after its death"] += 1
        self.chance = chance
        name, call = self.late.pop(chance.randrange(len(self.late)))
        self.carry(call, name, None)

    @precondition(lambda self: self.actors)
    @rule(chance=chances)
    def deploy(self, chance: Chance) -> None:
        """A scheduler goes on in new code."""
        actor = chance.choice(self.actors)
        code = some_code(chance)
        if actor.tick is None and actor.scheduler.declare(declared_by(code)):
            actor.code, actor.is_declaring = dict(code), True

    # Operators.

    @rule(chance=chances)
    def operate(self, chance: Chance) -> None:
        """An operator acts; others may do so between reading and writing."""
        self.chance = chance
        verb, name = chance.choice(VERBS), chance.choice(NAMES)
        self.done[f"operator: {verb}"] += 1
        self.forms += 1
        form: dict[str, Any] = {"by": "ada", "action_id": f"form-{self.forms}"}
        if verb == "run_now" and self.runs_now and chance.is_so(0.5):
            self.done["operator's form again"] += 1
            form["action_id"], (name, _) = chance.choice(list(self.runs_now.items()))
        said = chance.choice(WISHES)
        options: dict[str, Any] = {"every": said.period_ms / 1000, "missed": said.missed, "overlap": said.overlap}
        tell(f"    {verb} {name} {form['action_id']}")
        try:
            if verb == "add":
                self.intent = lambda _, now: Entry(said, now)
                outcome = self.schedules.add(
                    name, TASK, queue=self.queue.queue, priority=said.priority, **options, **form
                )
            elif verb == "change":
                self.intent = lambda entry, now: known(entry).change(with_priority(said, entry), now)
                outcome = self.schedules.change(name, **options, **form)
            else:
                self.intent = {"pause": lambda entry, _: known(entry).pause(), "resume": resumed}.get(verb)
                outcome = getattr(self.schedules, verb)(name, **form)
        except UnknownSchedule:
            assert self.seen is None
        except (QueueFull, RateLimited):
            assert verb == "run_now"
        else:
            self.check_outcome(verb, name, said, outcome)
        self.intent = None

    @precondition(lambda self: "control" in self.state)
    @rule(chance=chances)
    def delete_queue(self, chance: Chance) -> None:
        """Its schedules begin anew."""
        self.chance = chance
        self.done["queue deleted"] += not self.model.leases
        self.forms += 1
        self.intent = lambda entry, now: replace(known(entry), since=now)
        with suppress(QueueNotEmpty):
            control = Control(client=self.operator)
            control.delete_queue(self.queue.queue, by="ada", action_id=f"form-{self.forms}", force=True)
        self.intent = None

    def check_outcome(self, verb: str, name: str, said: Said, outcome: Outcome) -> None:
        """It says what it found, and what it did."""
        was = self.seen
        left_alone = {
            "add": "it exists already" if was else "",
            "change": "it is so already" if was and with_priority(said, was) == was.said else "",
            "pause": "paused already" if was and was.is_paused else "",
            "resume": "" if was and was.is_paused else "not paused",
        }
        if left_alone.get(verb):
            assert outcome.skipped == {name: left_alone[verb]}
        elif verb == "run_now":
            assert len(outcome.done) + len(outcome.skipped) == 1
        else:
            assert outcome.done == (name,)

    # What else happens.

    @rule(chance=chances)
    def let_time_pass(self, chance: Chance) -> None:
        """Often until something comes, just so, just not, or as late as may be."""
        entries = [self.model.entries[data] for data in self.model.directory.values()]
        if not entries or chance.is_so(0.2):
            super().let_time_pass(chance)
            return
        self.done["time passes"] += 1
        at = chance.choice(entries).first_behind(self.model.now) + chance.choice((-1, 0, 0, 1, 5_000, 59_999, 60_001))
        ms = max(1, at - self.model.now) + chance.choice((0, 0, 0, MINUTE, 7 * MINUTE, 23 * MINUTE))
        could_expire = not self.model.has_expired()
        self.model.now = self.engine.later(ms)
        self.done["lease ran out"] += could_expire and self.model.has_expired()

    @precondition(lambda self: self.model.directory)
    @rule(chance=chances)
    def look_at_schedules(self, chance: Chance) -> None:
        """As the console and the command line show them."""
        seen = {found.name: found for found in self.inspector.schedules()}
        assert seen.keys() == self.model.directory.keys()
        for name, found in seen.items():
            entry, noted = known(self.model.stands(name)), self.model.notes.get(name)
            assert (found.last_at, found.last_task_id) == (noted[:2] if noted else (None, ""))
            assert found.last_was_met == (noted is not None and noted[2] == "met")
            assert found.overdue_since == self.model.overdue_since(name)
            assert (found.pause is not None, bool(found.undeclared_at)) == (entry.is_paused, entry.is_undeclared)
            assert found.next_at[:1] == (() if entry.is_paused else (entry.first_behind(self.model.now),))

    # How it is done.

    def start(self, chance: Chance, error_ms: int | None = None) -> Actor:
        self.started += 1
        error_ms = chance.choice(ERRORS_MS) if error_ms is None else error_ms
        self.done["clock wrong"] += error_ms != 0
        actor = Actor(self.engine, f"s{self.started}", chance.choice(APPS), some_code(chance), error_ms)
        self.sessions[actor.name] = Session(actor.name)
        self.actors.append(actor)
        return actor

    def step(self, actor: Actor, chance: Chance, *, well: bool = False) -> None:
        """Its next request is answered; or what it waits for is lost, whether it came through or not."""
        if actor.tick is None:
            actor.tick = Tick(actor.scheduler.tick())
            self.ask(actor, None)
            return
        tick = actor.tick
        fate = "pass" if well else chance.choices(("pass", "lost before", "lost after"), (40, 1, 1))[0]
        self.done["its request was lost"] += fate != "pass"
        answer = self.answer(actor, tick) if fate != "lost before" else None
        if fate != "pass" or isinstance(answer, Refused):
            self.note_refused(tick)
            self.ask(actor, answer.why() if isinstance(answer, Refused) else ServerUnavailable("lost"))
        else:
            self.ask(actor, answer)

    def ask(self, actor: Actor, answer: Any) -> None:
        """Go on with an answer, until the next request or the end of the tick."""
        tick = actor.tick
        assert tick
        try:
            is_wrong = isinstance(answer, Exception)
            tick.request = tick.running.throw(answer) if is_wrong else tick.running.send(answer)
        except StopIteration:
            actor.tick = None
            self.done["ticks"] += 1
            self.check_tick(actor, tick)

    def note_refused(self, tick: Tick) -> None:
        request = tick.request
        if isinstance(request, Call) and request.script.name == "enqueue_occurrence":
            tick.refused.add(str(request.arguments[3]))
        elif not isinstance(request, Call) and request[0][0] == "HGET":
            tick.refused.add(str(request[0][2]))
        else:
            tick.refused |= {*NAMES}

    def answer(self, actor: Actor, tick: Tick) -> Any:
        request = tick.request
        if isinstance(request, Call):
            answer = self.carry(request, actor.name, actor)
            if request.script.name == "set_schedule" and answer:
                tick.stood[of_schedule(request)[0]].add(of_schedule(request)[2])
            return answer
        answers = self.engine.client.read(*request)
        if request[0][0] == "HGET" and request[0][1] == keys.schedules(self.engine.client.namespace):
            tick.stood[str(request[0][2])].add(answers[0] or b"")
        if request[0][0] == "TIME":
            if tick.looked_at and actor.is_declaring and not tick.refused:
                self.check_code(actor, tick)
            tick.looked_at = tick.looked_at or self.engine.now
            tick.now, tick.read = self.engine.now + actor.error_ms, dict(self.model.directory)
            for name, data in tick.read.items():
                tick.stood[name].add(data)
            tick.server_ms = self.engine.now
        return answers

    def carry(self, call: Call[Any], name: str, actor: Actor | None) -> Any:
        """A scheduler's call. `actor`: who waits for the answer."""
        if call.script.name == "set_schedule":
            if actor:
                self.check_declared(actor, call)
            return self.set_schedule(call, name)
        assert call.script.name == "enqueue_occurrence"
        schedule_name, occurrence = str(call.arguments[3]), int(call.arguments[4])
        new = self.new_task_of(call)
        answer = self.do(self.chance, call, lambda: self.model.occur(schedule_name, occurrence, new, TASK), actor=name)
        self.check_task(new, schedule_name, occurrence)
        if not isinstance(answer, Refused):
            self.done[f"occurrence: {answer.what}"] += 1
        if actor and actor.tick:
            self.check_sent(actor.tick, schedule_name, occurrence, answer)
        elif not isinstance(answer, Refused) and answer.what in ("made", "met"):
            self.model.pass_over(schedule_name, occurrence)
        return answer

    def carry_for_operator(self, call: Call[Any], session: Session | None) -> Any:
        if call.script.name == "set_schedule":
            name, seen, wanted = of_schedule(call)
            while self.actors and self.chance.is_so(0.4):
                self.step(self.chance.choice(self.actors), self.chance)
            if self.intent and wanted:
                self.expect(name, wanted, self.intent(self.model.entries.get(seen), self.engine.now))
            return self.set_schedule(call, "ada")
        assert session
        if call.script.name == "delete_queue":
            self.sessions[session.id] = session
            return self.do(self.chance, call, self.model.delete_queue, actor=session.id)
        assert call.script.name == "enqueue"
        form = session.id.removesuffix(".0")
        if form in self.runs_now:  # the session answers as before
            sent = self.runs_now[form][1]
            self.compare(sent, self.send(sent, sent.command), sent.answer)
            return sent.answer
        new = self.new_task_of(call)
        assert new.id not in self.occurrence_of
        self.sessions[session.id] = session
        answer = self.do(self.chance, call, lambda: self.model.enqueue([new], [TASK], [MAX_CRASHES]), actor=session.id)
        if isinstance(answer, Refused):
            raise answer.why()
        options = codec.decode_envelope(new.envelope).options
        self.runs_now[form] = options.schedule or "", self.sent[session.id, "enqueue"]
        return answer

    def set_schedule(self, call: Call[bool], actor: str) -> Any:
        name, seen, wanted = of_schedule(call)
        return self.do(self.chance, call, lambda: self.model.set_schedule(name, seen, wanted), actor=actor)

    def new_task_of(self, call: Call[Any]) -> NewTask:
        """Its options say what is done with it."""
        task_id, envelope = call.arguments[:2]
        assert isinstance(task_id, str)
        assert isinstance(envelope, bytes)
        options = codec.decode_envelope(envelope).options
        return NewTask(task_id, envelope, options.priority, unique_key=options.unique_key or "")

    # What is checked of schedulers and operators.

    def expect(self, name: str, data: bytes, entry: Entry) -> None:
        """What is to be stored says this."""
        assert said_by(name, data) == entry, f"{name} is to be\n{said_by(name, data)}\nand should be\n{entry}"
        assert self.model.entries.setdefault(data, entry) == entry

    def check_declared(self, actor: Actor, call: Call[Any]) -> None:
        """As its code says, once."""
        if call.script.name != "set_schedule":
            return
        name, seen, data = of_schedule(call)
        assert actor.tick
        assert actor.is_declaring, f"{actor.name} has declared {name} before"
        said, stood, now = actor.code.get(name), self.model.entries.get(seen), actor.tick.looked_at
        if said:
            entry = stood.declare(said, actor.app, now) if stood else Entry(said, now, actor.app, said)
        else:
            assert stood
            assert stood.app == actor.app
            entry = stood.undeclare()
        self.expect(name, data, entry)

    def check_code(self, actor: Actor, tick: Tick) -> None:
        """All that its code declares has stood so, and is not said again."""
        actor.is_declaring = False
        for name, said in actor.code.items():
            stood = [self.model.entries[data] for data in tick.stood[name] if data]
            assert any((entry.declared, entry.app, entry.is_undeclared) == (said, actor.app, False) for entry in stood)

    def check_task(self, new: NewTask, name: str, occurrence: int) -> None:
        """Each occurrence has an id of its own, and its task knows which it is."""
        options = codec.decode_envelope(new.envelope).options
        assert (options.schedule, options.scheduled_for) == (name, occurrence)
        assert self.occurrence_of.setdefault(new.id, (name, occurrence)) == (name, occurrence)

    def check_sent(self, tick: Tick, name: str, occurrence: int, answer: Any) -> None:
        """Nothing is sent but what the schedule wants, as it was read."""
        entry = self.model.entries[tick.read[name]]
        wanted = {at for now in (tick.now, tick.told.get(name, 0)) for at in entry.wanted(now)}
        assert occurrence in wanted, f"{name} at {occurrence} is sent, of {wanted} by {entry}"
        if isinstance(answer, Refused):
            return
        if answer.what == "early":
            tick.told[name] = answer.now_ms
        elif answer.what in ("made", "met"):
            cut = entry.latest(tick.told.get(name, tick.now), MOST_MISSED + 1)[:-MOST_MISSED]
            if self.model.directory.get(name) != tick.read[name] or entry.said.missed != "all":
                self.model.pass_over(name, occurrence)
            elif cut:
                self.model.pass_over(name, cut[-1])

    def check_tick(self, actor: Actor, tick: Tick) -> None:
        """Whatever had come when it looked has been enqueued, by whomever, or passed over as the policy has it."""
        for name, data in tick.read.items():
            if name not in tick.refused and self.model.directory.get(name) == data:
                self.check_seen_to(name, self.model.entries[data], tick.now, min(tick.now, tick.server_ms))

    def check_seen_to(self, name: str, entry: Entry, own_now: int, now: int) -> None:
        """`own_now`: by the clock of who has seen to it: what comes late to that may be too late."""
        wanted = [at for at in entry.wanted(now) if entry.said.missed != "skip" or own_now - at <= MINUTE]
        noted, seen_to = self.model.notes.get(name, (0, "", ""))[0], self.model.seen_to.get(name, set())
        passed_over = self.model.passed_over.get(name, 0)
        if entry.said.missed == "all":
            left_out = [at for at in wanted if at not in seen_to and at > passed_over]
        else:
            left_out = [at for at in wanted if at > noted]
        self.done["occurrences seen to"] += len(wanted)
        assert not left_out, f"{name}: nobody has enqueued {left_out}; noted is {noted}, and {entry}"

    # What holds after every step.

    def carry_out(self, sent: Sent) -> None:
        """There has to be a queue to delete."""
        if sent.call.script.name == "delete_queue" and not self.engine.redis.exists(self.queue.control):
            with pytest.raises(ResponseError, match="NOQUEUE"):
                self.send(sent, sent.command)
            self.sent = {known: other for known, other in self.sent.items() if other is not sent}
        else:
            super().carry_out(sent)

    def problems_of(self, state: State) -> list[str]:
        """Of a queue that is deleted nothing is left but what expires."""
        if "control" in state or not state:
            return super().problems_of(state)
        return [f"{name} is left" for name in state if not name.startswith("record:")]

    def differences_of(self, state: State) -> list[str]:
        differences = super().differences_of(state)
        expected = {name: f"{at} {task_id} {what}" for name, (at, task_id, what) in self.model.notes.items()}
        if state.get("occurrences", {}) != expected:
            differences.append(f"noted is\n{state.get('occurrences')}\nand should be\n{expected}")
        stored = self.engine.redis.hgetall(keys.schedules(self.engine.client.namespace))
        if stored != {name.encode(): data for name, data in self.model.directory.items()}:
            differences.append(f"stored is\n{stored}\nand should be\n{self.model.directory}")
        return differences

    def teardown(self) -> None:
        """In the end the queue takes tasks again, and one scheduler is left: what came is seen to, and nothing is
        damaged."""
        try:
            self.end_well(Chance(self.steps))
        finally:
            self.patches.undo()
            self.operator.close()

    def end_well(self, chance: Chance) -> None:
        self.chance = chance
        limited = [name for name in self.model.limits.chosen if name not in ("by", "at")]
        if limited:
            lifted = limits.changes(**dict.fromkeys(limited))
            self.do(chance, protocol.limit(self.queue, lifted, "ada"), lambda: self.model.limit(lifted, "ada"))
        self.model.now = self.engine.later(chance.choice((MINUTE, 7 * MINUTE, 45 * MINUTE)))
        self.actors.clear()
        last = self.start(chance, error_ms=0)
        for _ in range(2):
            self.step(last, chance, well=True)
            while last.tick:
                self.step(last, chance, well=True)
        for name, said in last.code.items():
            entry = known(self.model.stands(name))
            assert (entry.app, entry.declared, entry.is_undeclared) == (last.app, said, False)
        for name in self.model.directory.keys() - last.code.keys():
            entry = known(self.model.stands(name))
            assert entry.is_undeclared or entry.app != last.app
        self.state_is_the_models()
        super().teardown()
        if "control" in self.state:
            gone = self.model.notes.keys() - self.model.directory.keys()
            breaches = list(fsck.check(self.engine.client, self.queue.queue, repair=True))
            assert len(breaches) == len(gone), breaches
            assert list(fsck.check(self.engine.client, self.queue.queue)) == []


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
