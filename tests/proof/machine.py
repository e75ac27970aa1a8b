"""What each life beside a model shares: how a call is made and compared, what there is to choose from, and what holds
after every step. The rules are those of `queue_machine`.
"""

from __future__ import annotations

import math
import random
import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, ClassVar, TypeVar

import pytest
from hypothesis import HealthCheck, currently_in_test_context, note, settings
from hypothesis.internal.conjecture.engine import ConjectureRunner
from hypothesis.stateful import RuleBasedStateMachine, invariant, run_state_machine_as_test
from redis.exceptions import ResponseError

from queue_core import connection, protocol
from queue_core.errors import InvalidArgument, QueueFull, RateLimited
from queue_core.keys import QueueKeys
from queue_core.protocol import Argument, Call, Claimed, Held, Session
from tests.engine import Engine
from tests.invariants import State, problems_of
from tests.proof.chance import Chance, step_of, steps_of
from tests.proof.comparison import differences_of, watched
from tests.proof.limits import Refused
from tests.proof.model import Model

T = TypeVar("T")

ACTORS = ("ada", "bob", "cyd")
"""Each has a session for each script, and one call in flight."""
TYPES = {
    name: documented[0].lower()
    for name, value in vars(QueueKeys).items()
    if name not in ("telemetry", "names", "attempts")  # what was counted by the minute and by name
    and isinstance(value, cached_property)
    and (documented := re.match(r"[A-Z]+", value.func.__doc__ or ""))
}
"""Names of a queue's keys → their types."""

FAULTS = (
    "lost answer", "sent again after others", "stale command", "sent again beyond the window", "wrong or lost fence",
    "unknown id", "id twice in a batch", "lease ran out", "refused batch", "another runner", "no token left",
    "overdue at a claim",
)  # fmt: skip
"""What goes wrong on purpose."""


@dataclass
class Sent:
    """The last command of a session and script, what the model does at it, and what it answers to it again."""

    command: list[Argument]
    call: Call[Any]
    model: Callable[[], Any]
    repeat: Callable[[Any], Any]
    """From the answer that was given."""
    stale: list[list[Argument]]
    """The session's earlier ones."""
    answer: Any = None


class Machine(RuleBasedStateMachine):
    """`done` counts what was done in all runs of a test."""

    weights: ClassVar[Mapping[str, float]] = {}
    """Of rules that are chosen more often than others."""
    kind_of_model: ClassVar[type[Model]] = Model

    def __init__(self, engine: Engine, done: Counter[str]) -> None:
        super().__init__()
        self._rules_strategy: Any = steps_of(self)
        engine.start_over()
        self.engine, self.done, self.queue = engine, done, engine.queue
        self.keys = {getattr(self.queue, name): kind for name, kind in TYPES.items()}
        self.model = self.kind_of_model(engine.now)
        self.sessions = {actor: Session(actor) for actor in ACTORS}
        self.sent: dict[tuple[str, str], Sent] = {}
        self.claims: list[Held] = []
        self.told_due = math.inf
        """What the last claim was told of when a task is due next."""
        self.told_rate: object = None
        """The claim rate for whose tokens the last claim was told to come back."""
        self.state: State = {}
        self.steps = 0

    # How a call is made.

    def do(
        self,
        chance: Chance,
        call: Call[T],
        model: Callable[[], T | Refused],
        repeat: Callable[[T], T] = lambda answer: answer,
        actor: str = "",
    ) -> T | Refused:
        """Send a call: its answer is the model's. Where the answer gets lost the same command is sent again.

        `actor`: in whose session; else in that of any of them."""
        tell(f"    {call.script.name} {list(call.arguments)}")
        self.done[call.script.name] += 1
        actor = actor or chance.choice(ACTORS)
        known = (actor, call.script.name)
        before = self.sent.get(known)
        stale = [before.command, *before.stale][:3] if before and call.has_session else []
        command = self.sessions[actor].command(call, self.engine.now)
        sent = self.sent[known] = Sent(command, call, model, repeat if call.has_session else lambda _: model(), stale)
        self.carry_out(sent)
        if chance.is_so(0.25):
            self.send_again(sent, "lost answer")
        answer: T | Refused = sent.answer
        return answer

    def carry_out(self, sent: Sent) -> None:
        answer = sent.answer = sent.model()
        self.compare(sent, self.send(sent, sent.command), answer)
        if isinstance(answer, Refused):  # the session remembers what it answered before that
            self.done["refused batch"] += 1
            sent.stale = sent.stale[1:]
        if isinstance(answer, Claimed):
            self.told_due = math.inf if answer.next_due_ms is None else answer.next_due_ms
            self.told_rate = self.model.limits.chosen["claim_rate"] if answer.next_token_ms else None
            self.done["overdue at a claim"] += answer.has_overdue
            self.done["no token left"] += self.told_rate is not None
            self.claims += [
                Held(task.id, answer.fence, task.has_history, unique_key=self.model.tasks[task.id].key or None)
                for task in answer.tasks
            ]

    def send_again(self, sent: Sent, fault: str) -> None:
        """It answers the same and changes nothing. What was refused is tried again."""
        self.done[fault] += 1
        if isinstance(sent.answer, Refused):
            self.carry_out(sent)
        else:
            self.compare(sent, self.send(sent, sent.command), sent.repeat(sent.answer))

    def send(self, sent: Sent, command: list[Argument]) -> Any:
        """By the server's clock of now, whenever the command was made."""
        at = 4 + int(command[2])
        command = [*command[:at], self.engine.now, *command[at + 1 :]]
        try:
            return self.engine.send(command)
        except connection.NO_SCRIPT:
            return self.send(sent, protocol.with_text(command, sent.call.script))
        except ResponseError as error:
            match connection.translate(error, self.engine.url):
                case QueueFull() as full:
                    return Refused(QueueFull, (full.limit, full.length))
                case RateLimited() as limited:
                    return Refused(RateLimited, (limited.retry_after,))
                case InvalidArgument():
                    return Refused(InvalidArgument)
            raise

    def compare(self, sent: Sent, raw: Any, expected: Any) -> None:
        answer = raw if isinstance(raw, Refused) else sent.call.read(raw)
        if isinstance(answer, Claimed):  # in whatever order the server lists the lanes
            answer = replace(answer, closed_lanes=tuple(sorted(answer.closed_lanes)))
            expected = replace(expected, closed_lanes=tuple(sorted(expected.closed_lanes)))
        assert answer == expected, f"{sent.call.script.name} answers\n{answer}\nand should answer\n{expected}"

    # What there is to choose from.

    def held(self, chance: Chance) -> list[Held]:
        """Leases that somebody has; at times one that is lost, one with another fence, one of no task."""
        current = [claim for claim in self.claims if self.holds(claim)]
        lost = [claim for claim in self.claims if not self.holds(claim)][-3:]
        others = [Held(claim.id, claim.fence - 1) for claim in current]
        chosen = chance.some(current, [Held("gone", 1), *lost, *others])
        self.done["wrong or lost fence"] += sum(not self.holds(claim) for claim in chosen)
        self.done["id twice in a batch"] += len(chosen) - len({claim.id for claim in chosen})
        return chosen

    def holds(self, claim: Held) -> bool:
        lease = self.model.leases.get(claim.id)
        return lease is not None and lease.fence == claim.fence

    def ids(self, chance: Chance, among: Iterable[str]) -> list[str]:
        chosen = chance.some(list(among), ["gone", *self.model.tasks, *self.model.records])
        self.done["unknown id"] += sum(task_id not in self.model.tasks for task_id in chosen)
        self.done["id twice in a batch"] += len(chosen) - len(set(chosen))
        return chosen

    # What holds after every step.

    @invariant()
    def state_is_the_models(self) -> None:
        self.done["steps"] += 1
        before, self.state = self.state, self.engine.values(self.keys | self.other_keys())
        state = self.state
        is_told = before.get("control", {}).get("changes") != state.get("control", {}).get("changes")
        assert is_told or watched(before) == watched(state), "something has changed, and the queue does not tell"
        problems = self.problems_of(state)
        assert problems == [], problems
        differences = self.differences_of(state)
        assert not differences, "\n".join(differences)
        if self.model.somebody_must_wake(self.told_due, self.told_rate):
            assert state.get("notify"), "there is something to do, and nobody wakes"
        self.model.lanes = {lane: self.model.lanes[lane] for lane in state.get("closed", {})}

    def problems_of(self, state: State) -> list[str]:
        return problems_of(state)

    def differences_of(self, state: State) -> list[str]:
        return differences_of(state, self.model)

    def other_keys(self) -> dict[str, str]:
        """Those that are named by what they are about: key → its type."""
        return {self.queue.record(task_id): "hash" for task_id in self.model.records}

    def teardown(self) -> None:
        """Nothing stands in a key that was not looked at."""
        if self.sent:
            state = self.engine.state()
            assert state.keys() == self.state.keys(), state.keys() ^ self.state.keys()
        self.done["runs"] += 1


def live(
    engine: Engine,
    done: Counter[str],
    runs: int,
    steps: int,
    kind: Callable[[Engine, Counter[str]], RuleBasedStateMachine],
    **how: Any,
) -> None:
    """So many random lives of so many steps: always the same ones, unless Hypothesis' settings `how` say otherwise."""

    def machine() -> RuleBasedStateMachine:
        return kind(engine, done)

    options: dict[str, Any] = {"derandomize": True, "database": None, "deadline": None, **how}
    with pytest.MonkeyPatch.context() as hypothesis:
        # Else five lives of six would be another one with a few steps changed.
        hypothesis.setattr(ConjectureRunner, "generate_mutations_from", lambda *_: None)
        run_state_machine_as_test(
            machine,  # type: ignore[arg-type]
            settings=settings(
                max_examples=runs, stateful_step_count=steps, suppress_health_check=list(HealthCheck), **options
            ),
            _min_steps=steps - 1,
        )


def relive(
    engine: Engine,
    done: Counter[str],
    life: int,
    steps: int,
    kind: Callable[[Engine, Counter[str]], RuleBasedStateMachine],
) -> None:
    """One random life, without Hypothesis: the same number is the same life, as long as the rules are the same ones."""
    machine: Any = kind(engine, done)
    dice = random.Random(life)

    def look() -> None:
        for what_holds in machine.invariants:
            what_holds.function(machine)

    try:
        for first in machine.setup_state().initializers:
            first.function(machine, chance=Chance(dice.getrandbits(32)))
        look()
        for _ in range(steps):
            chosen, chance = step_of(machine, dice.getrandbits(32))
            chosen.function(machine, chance=chance)
            look()
    finally:
        machine.teardown()


def tell(what: str) -> None:
    """Shown with a life that failed under Hypothesis."""
    if currently_in_test_context():
        note(what)
