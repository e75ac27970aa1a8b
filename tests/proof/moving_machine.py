"""Random lives of two queues between which tasks are moved, step by step beside the model of them (`moving_model`).

Each queue lives as a queue does (`machine`). Movers carry tasks to and fro, one call of `queue_core.moving` at a time:
they sleep and die between any two, the same move begins again, or another, or somebody calls the tasks back. Answers
get lost, sessions expire, queues are deleted, and the servers' clocks may differ by minutes.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import pytest
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from redis.exceptions import ResponseError

from queue_core import protocol
from queue_core.moving import Move, Moved, Steps, session_behind
from queue_core.protocol import Argument, Call, Exported, ExportedTask, Session
from tests.engine import KEEP_MS, LEASE_MS, Engine
from tests.invariants import State
from tests.proof.chance import Chance, chances, rule_of, steps_of
from tests.proof.machine import Sent, tell
from tests.proof.moving_model import Journeys, MovingModel, Told, ToldTask
from tests.proof.queue_machine import WEIGHTS, QueueMachine

SESSION_MS = 600_000
SKEWS = (0, 0, -420_000, 420_000)
"""By how much the other server's clock is ahead, ms."""
MOST_MOVERS = 4
FAULTS = (
    "mover died", "same move again", "mover's answer lost", "mover's call long after", "sessions expired",
    "queue deleted, its tasks on their way",
)  # fmt: skip
"""What goes wrong on purpose, besides the faults of one queue."""
MOVING_WEIGHTS = {
    "something_else_happens": 10, "begin_to_move": 3, "begin_to_call_back": 2, "go_on": 12, "let_time_pass": 2,
}  # fmt: skip
SIDE_WEIGHTS = {**WEIGHTS, "delete_queue": 2, "enqueue": 6, "let_time_pass": 0, "send_stale": 1, "claim": 5}


class Side(QueueMachine):
    """One of the two queues. Time passes for both together."""

    weights: ClassVar[dict[str, int]] = SIDE_WEIGHTS

    def __init__(self, engine: Engine, done: Counter[str], journeys: Journeys) -> None:
        super().__init__(engine, done)
        self.model: MovingModel = MovingModel(engine.now, journeys)
        self.sessions_of_movers: dict[tuple[str, str], tuple[Sent, int]] = {}
        """Session and script → its call, and when that was first sent."""
        self.answered: Any = None

    @property
    def name(self) -> str:
        return self.queue.queue

    def pass_time(self, ms: int) -> None:
        could_expire = not self.model.has_expired()
        self.model.now = self.engine.later(ms)
        self.done["lease ran out"] += could_expire and self.model.has_expired()
        for known, (sent, at) in list(self.sessions_of_movers.items()):
            if self.engine.now - at >= SESSION_MS:
                self.done["sessions expired"] += 1
                self.engine.redis.delete(sent.command[4])
                del self.sessions_of_movers[known]

    @precondition(lambda self: "control" in self.state)
    @rule(chance=chances)
    def delete_queue(self, chance: Chance) -> None:
        is_forced, at_most = chance.is_so(0.5), chance.choice((None, None, 1, 10))
        is_on_its_way = any(map(self.model.ticket_of, self.model.tasks))
        call = protocol.delete_queue(self.queue, is_forced=is_forced, at_most=at_most)
        self.do(chance, call, lambda: self.model.delete_queue(is_forced, at_most))
        self.done["queue deleted, its tasks on their way"] += is_on_its_way and not self.model.tasks

    @precondition(lambda self: self.model.old_tickets())
    @rule(chance=chances)
    def forget_too_late(self, chance: Chance) -> None:
        """By a mover that slept: others have forgotten or restored these."""
        tickets = chance.some(self.model.old_tickets(), ["gone:t0"])
        self.do(chance, protocol.forget(self.queue, tickets), lambda: self.model.forget(tickets))

    def carry_out(self, sent: Sent) -> None:
        """There has to be a queue to delete."""
        if sent.call.script.name == "delete_queue" and not self.engine.redis.exists(self.queue.control):
            with pytest.raises(ResponseError, match="NOQUEUE"):
                self.send(sent, sent.command)
            self.sent = {known: other for known, other in self.sent.items() if other is not sent}
        else:
            super().carry_out(sent)

    def send(self, sent: Sent, command: list[Argument]) -> Any:
        self.answered = super().send(sent, command)
        return self.answered

    def compare(self, sent: Sent, raw: Any, expected: Any) -> None:
        if isinstance(expected, Told):
            answer = told_of(sent.call.read(raw))
            assert answer == expected, f"export answers\n{answer}\nand should answer\n{expected}"
        else:
            super().compare(sent, raw, expected)

    def problems_of(self, state: State) -> list[str]:
        """Of a queue that is deleted nothing is left but marks and what expires."""
        if "control" in state or not state:
            return super().problems_of(state)
        return [f"{name} is left" for name in state if name != "imported" and not name.startswith("record:")]

    def differences_of(self, state: State) -> list[str]:
        tickets = {
            task_id: f"{task_id}:{origin['token']}"
            for task_id, origin in state.get("trashed", {}).items()
            if "token" in origin
        }
        differences = super().differences_of(state)
        expected = {task_id: ticket for task_id in self.model.trashed if (ticket := self.model.ticket_of(task_id))}
        if tickets != expected:
            differences.append(f"put aside are\n{tickets}\nand should be\n{expected}")
        if state.get("imported", {}) != self.model.marks:
            differences.append(f"marks are\n{state.get('imported', {})}\nand should be\n{self.model.marks}")
        for fingerprint in state.get("faults_seen", {}):
            about = json.loads(state["faults"][fingerprint])
            told = tuple(about[what] for what in ("task", "class", "message", "frame"))
            if self.model.journeys.faults.setdefault(fingerprint, told) != told:
                differences.append(f"{fingerprint} is {told} and was {self.model.journeys.faults[fingerprint]}")
        return differences

    def carry_for_mover(self, sent: Sent, session_id: str) -> None:
        """A mover's call, or the same one again: its session answers as before."""
        known = self.sessions_of_movers.get((session_id, sent.call.script.name))
        if known:
            self.compare(sent, self.send(sent, sent.command), known[0].repeat(known[0].answer))
        else:
            self.sessions_of_movers[session_id, sent.call.script.name] = sent, self.engine.now
            self.carry_out(sent)


@dataclass
class Mover:
    here: Side
    there: Side
    ids: list[str]
    is_calling_back: bool
    session_id: str
    steps: Steps[Moved]
    call: Call[Any] | None = None
    """The next one."""
    session_behind: str = ""
    """That of its calls behind `export`."""
    tickets: dict[str, str] = field(default_factory=dict)
    """Of its tasks."""


class MovingMachine(RuleBasedStateMachine):
    weights: ClassVar[dict[str, int]] = MOVING_WEIGHTS

    def __init__(self, engine: Engine, done: Counter[str]) -> None:
        super().__init__()
        self._rules_strategy: Any = steps_of(self)
        self.journeys = Journeys()
        engines = engine, Engine(engine.url, engine.client.namespace, "images")
        self.sides = tuple(Side(engine, done, self.journeys) for engine in engines)
        self.touched = set(self.sides)
        engines[1]._made = 1 << 32  # ids of its own
        self.done, self.steps, self.made = done, 0, 0
        self.movers: list[Mover] = []
        self.dead: list[Mover] = []
        self.calls: list[tuple[Side, Sent, str]] = []
        """Movers' last ones."""

    @initialize(chance=chances)
    def set_clocks(self, chance: Chance) -> None:
        self.sides[1].pass_time(chance.choice(SKEWS))

    @rule(chance=chances)
    def something_else_happens(self, chance: Chance) -> None:
        """In the life of one of the queues."""
        side = chance.choice(self.sides)
        self.touched.add(side)
        chosen = rule_of(side, chance, side.weights)
        tell(f"    {side.name}: {chosen.function.__name__}")
        chosen.function(side, chance=chance)

    # Movers.

    @precondition(lambda self: len(self.movers) < MOST_MOVERS and any(side.model.tasks for side in self.sides))
    @rule(chance=chances)
    def begin_to_move(self, chance: Chance) -> None:
        here = chance.choice([side for side in self.sides if side.model.tasks])
        aside = [task_id for task_id in here.model.tasks if here.model.ticket_of(task_id)]
        among = aside if aside and chance.is_so(0.4) else list(here.model.tasks)
        self.begin(here, here.ids(chance, among), is_calling_back=False)
        self.go_on_with(self.movers[-1], chance)

    @precondition(lambda self: len(self.movers) < MOST_MOVERS and self.have_put_aside())
    @rule(chance=chances)
    def begin_to_call_back(self, chance: Chance) -> None:
        here = chance.choice(self.have_put_aside())
        aside = [task_id for task_id in here.model.tasks if here.model.ticket_of(task_id)]
        self.begin(here, here.ids(chance, aside), is_calling_back=True)
        self.go_on_with(self.movers[-1], chance)

    @precondition(lambda self: self.movers)
    @rule(chance=chances)
    def go_on(self, chance: Chance) -> None:
        self.go_on_with(chance.choice(self.movers), chance)

    @precondition(lambda self: self.movers)
    @rule(chance=chances)
    def die(self, chance: Chance) -> None:
        """Its last call came through, whether it has heard of that or not."""
        self.done["mover died"] += 1
        self.dead.append(self.movers.pop(chance.randrange(len(self.movers))))

    @precondition(lambda self: self.dead and len(self.movers) < MOST_MOVERS)
    @rule(chance=chances)
    def begin_again(self, chance: Chance) -> None:
        """The same form is sent again."""
        self.done["same move again"] += 1
        died = chance.choice(self.dead)
        self.begin(died.here, died.ids, died.is_calling_back, died.session_id)
        self.go_on_with(self.movers[-1], chance)

    # What else happens.

    @rule(chance=chances)
    def let_time_pass(self, chance: Chance) -> None:
        self.pass_time(
            chance.choice((1, 700, 1_000, 5_000, 11_000, LEASE_MS, 200_000, 590_000, 650_000, 3_700_000, KEEP_MS))
        )

    @precondition(lambda self: self.calls)
    @rule(chance=chances)
    def send_again_long_after(self, chance: Chance) -> None:
        """By a mover that slept in the midst of a call: its session is over, the command is a new one."""
        self.done["mover's call long after"] += 1
        self.pass_time(SESSION_MS)
        side, sent, session_id = chance.choice(self.calls)
        self.touched.add(side)
        side.carry_for_mover(sent, session_id)

    # What holds after every step.

    @invariant()
    def both_are_as_their_models(self) -> None:
        """Nothing changes in a queue that was not touched."""
        steps = self.done["steps"] + 1
        for side in self.touched:
            side.state_is_the_models()
        self.done["steps"] = steps
        self.touched.clear()
        problems = self.journeys.problems_of(side.model for side in self.sides)
        assert problems == [], problems

    def teardown(self) -> None:
        runs, steps = self.done["runs"] + 1, self.done["steps"]
        for side in self.sides:
            side.state_is_the_models()
            side.teardown()
        self.done["runs"], self.done["steps"] = runs, steps
        self.sides[1].engine.close()

    # How it is done.

    def have_put_aside(self) -> list[Side]:
        return [side for side in self.sides if any(map(side.model.ticket_of, side.model.tasks))]

    def pass_time(self, ms: int) -> None:
        self.done["time passes"] += 1
        self.touched |= set(self.sides)
        for side in self.sides:
            side.pass_time(ms)

    def begin(self, here: Side, ids: list[str], is_calling_back: bool, session_id: str = "") -> None:
        self.made += 1
        there = next(side for side in self.sides if side is not here)
        move = Move(here.engine.client, here.name, there.name, "ada", "test")
        token = f"t{self.made}"
        session_id = session_id or f"move{self.made}"
        steps = (move.calling_back if is_calling_back else move.moving)(ids, token)
        mover = Mover(here, there, ids, is_calling_back, session_id, steps)
        mover.call = next(steps)
        self.movers.append(mover)

    def go_on_with(self, mover: Mover, chance: Chance) -> None:
        """One call, or a few."""
        for _ in range(chance.choice((1, 1, 2, 3, 5))):
            if mover.call:
                self.carry(mover, mover.call, chance)

    def carry(self, mover: Mover, call: Call[Any], chance: Chance) -> None:
        session_id = mover.session_behind or mover.session_id
        side = mover.here if call.queue is mover.here.queue else mover.there
        assert call.queue.tasks == side.queue.tasks
        self.touched.add(side)
        self.done[call.script.name] += 1
        command = Session(session_id).command(call, side.engine.now)
        sent = Sent(command, call, *self.in_the_model(side, call), stale=[])
        tell(f"    {side.name}: {session_id} {call.script.name} {list(call.arguments)}")
        side.carry_for_mover(sent, session_id)
        self.calls = [*self.calls[-7:], (side, sent, session_id)]
        if chance.is_so(0.2):
            self.done["mover's answer lost"] += 1
            side.carry_for_mover(sent, session_id)
        answer = call.result(side.answered)
        if isinstance(answer, Exported):
            mover.session_behind = session_behind(mover.session_id, answer)
            mover.tickets = {task.id: task.ticket for task in answer.tasks}
        try:
            mover.call = mover.steps.send(answer)
        except StopIteration as end:
            self.movers.remove(mover)
            self.check_outcome(mover, end.value)
            mover.call = None

    def in_the_model(self, side: Side, call: Call[Any]) -> tuple[Callable[[], Any], Callable[[Any], Any]]:
        """What the model does at a mover's call, and what it answers to the same one again."""
        model, arguments, verb = side.model, [*call.arguments], call.script.name
        if verb == "export":
            to, token, ids = str(arguments[3]), str(arguments[4]), [str(task_id) for task_id in arguments[7:]]
            return lambda: model.export(ids, to, token), lambda told: model.tell(
                told.skipped, [task.ticket for task in told.tasks]
            )
        if verb == "import":
            good_until, count = arguments[0], 3 + int(arguments[2]) * 6
            coming = [
                told_task(
                    ExportedTask(*arguments[i : i + 7])  # type: ignore[arg-type]
                )
                for i in range(count, len(arguments), 7)
            ]
            faults = seen_faults(arguments[3:count])
            return lambda: model.enter(coming, int(good_until), faults), lambda answer: answer
        tickets = [str(ticket) for ticket in arguments[1 if verb == "confirm" else 0 :]]
        transition: Callable[[list[str]], Any] = getattr(model, verb)
        return lambda: transition(tickets), lambda answer: answer

    def check_outcome(self, mover: Mover, moved: Moved) -> None:
        """Whoever asked is told the truth."""
        for task_id in moved.done:
            has_arrived = mover.tickets[task_id] in self.journeys.arrived
            assert has_arrived != mover.is_calling_back, f"{task_id} is said to be done by {mover}"


def told_of(exported: Exported) -> Told:
    """An answer in the model's words."""
    tasks = tuple(map(told_task, exported.tasks))
    return Told(exported.now_ms, exported.skipped, tasks, seen_faults(exported.faults))


def told_task(task: ExportedTask) -> ToldTask:
    counters, _, lines = task.history.decode().partition("\n")
    events = tuple(line.split(" ")[1] for line in lines.split("\n")[:-1])
    fault = counters.split(" ")[4] if task.place in ("dead", "retrying") else ""
    expires = float(task.expires_at) if task.expires_at else None
    return ToldTask(task.ticket, task.envelope, task.place, int(task.at or 0), counters, events[-2:], fault, expires)


def seen_faults(told: Sequence[Any]) -> dict[str, int]:
    """Fingerprint → last seen."""
    return {told[i].decode(): int(told[i + 5]) for i in range(0, len(told), 6)}
