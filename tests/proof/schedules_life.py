"""What lives with schedules share (`schedules_machine`): how the requests of schedulers and operators are carried out,
and what is checked of both."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from redis.exceptions import ResponseError

from queue_core import codec, fsck, keys, schedule
from queue_core.client import Client
from queue_core.errors import ServerUnavailable
from queue_core.inspector import Inspector
from queue_core.protocol import Argument, Call, NewTask, Session
from queue_core.schedules import Schedules
from tests.engine import Engine
from tests.invariants import State
from tests.proof.chance import Chance
from tests.proof.limits import Refused
from tests.proof.machine import Sent
from tests.proof.places import MAX_CRASHES
from tests.proof.queue_machine import QueueMachine
from tests.proof.schedulers import APPS, ERRORS_MS, MINUTE, NAMES, TASK, Actor, Tick, of_schedule, said_by, some_code
from tests.proof.schedules_model import MOST_MISSED, Entry, SchedulesModel


class OperatorsClient(Client):
    """Hands on what is to be compared with the model."""

    def __init__(self, machine: SchedulesLife) -> None:
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


class SchedulesLife(QueueMachine):
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
