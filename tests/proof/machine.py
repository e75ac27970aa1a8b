"""Random lives of a queue on a real server, step by step beside the model of it (`model`).

Each rule is one transition, called by one of several sessions: its answer has to be the model's, and then the whole
state that is read back. Answers get lost and commands are sent again, at once or later, also stale ones;
ids are unknown, fences wrong, batches have ids twice, time passes, leases run out.
"""

from __future__ import annotations

import math
import random
import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, ClassVar, TypeVar

import pytest
from hypothesis import HealthCheck, note, settings
from hypothesis import strategies as st
from hypothesis.internal.conjecture.engine import ConjectureRunner
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test
from redis.exceptions import ResponseError

from queue_core import codec, connection, limits, protocol, reading
from queue_core.errors import InvalidArgument, QueueFull, RateLimited
from queue_core.keys import QueueKeys
from queue_core.protocol import Argument, Call, Claimed, Held, ReleasedTask, Result, Session
from tests.engine import KEEP_MS, LEASE_MS, Engine, State, problems_of
from tests.proof.comparison import differences_of, watched
from tests.proof.limits import Refused
from tests.proof.model import MAX_CRASHES, Model

T = TypeVar("T")

ACTORS = ("ada", "bob", "cyd")
"""Each has a session for each script, and one call in flight."""
NAMES = ("send", "resize", "a.b:c")
LANES = ("name:send", "unknown:send", "name:resize", "unknown:resize")
KEYS = ("order 1", "order 1", "order 1", "order 2")
"""Unique keys: mostly the same one, so that tasks meet."""
LIMITS: tuple[dict[str, Any], ...] = (
    {"max_length": 3}, {"max_length": 5}, {"enqueue_rate": (3, 3)}, {"enqueue_rate": (8, 60)}, {"claim_rate": (1, 5)},
    {"claim_rate": (3, 60)}, {"claim_rate": (4, 0.04)}, {"dead_max_age": 5}, {"dead_max_count": 1},
)  # fmt: skip
"""Rates: so many in so many seconds. The last one's tokens are worth gathering."""
CHOSEN_IDS = ("order-1", "list", "1", "-1", "x" * 128)
TYPES = {
    name: documented[0].lower()
    for name, value in vars(QueueKeys).items()
    if name not in ("telemetry", "names")  # how the books were, minute by minute
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
WEIGHTS = {
    "enqueue": 4, "claim": 8, "complete": 2, "fail": 4, "release": 3, "requeue": 3, "trash": 2, "restore": 3,
    "delete": 2, "resume": 3, "recover_expired": 3, "recover_held": 3, "expire": 6, "list_outstayed": 2, "limit": 2,
    "open_lane": 2, "send_stale": 2, "let_time_pass": 4,
}  # fmt: skip
"""Of rules that are chosen more often than others."""


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


class Chance(random.Random):
    """What is left to chance in one step, drawn by Hypothesis as one number: of its own draws too many are 0."""

    def __init__(self, seed: int) -> None:
        super().__init__(seed)
        self._repr = f"Chance({seed})"

    def __repr__(self) -> str:
        return self._repr

    def is_so(self, probability: float) -> bool:
        return self.random() < probability

    def some(self, among: Sequence[T], others: Sequence[T]) -> list[T]:
        """One to four, at times one twice, or one of the others."""
        return [self.choice(among if among and self.is_so(0.8) else others) for _ in range(self.randint(1, 4))]


numbers = st.integers(0, (1 << 32) - 1)
chances = numbers.map(Chance)


class QueueMachine(RuleBasedStateMachine):
    """`done` counts what was done in all runs of a test."""

    weights: ClassVar[Mapping[str, float]] = WEIGHTS
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
        note(f"    {call.script.name} {list(call.arguments)}")
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

    # Producers.

    @rule(chance=chances)
    def enqueue(self, chance: Chance) -> None:
        new_tasks, names, crashes = [], [], []
        for _ in range(chance.randint(1, 4)):
            names.append(chance.choice(NAMES))
            max_crashes = chance.choice((None, None, 0, 1))
            unique_key = chance.choice(KEYS) if chance.is_so(0.5) else None
            crashes.append(MAX_CRASHES if max_crashes is None else max_crashes)
            new_tasks.append(
                self.engine.new_task(
                    chance.choice(CHOSEN_IDS) if chance.is_so(0.4) else self.engine.new_id(),
                    names[-1],
                    priority=chance.choice((0, 0, 0, 1, 5, -1, -2000)),
                    delay_ms=chance.choice((0, 0, 0, 500, 5_000)),
                    due_ms=self.engine.now + chance.choice((-1, 3_000)) if chance.is_so(0.2) else 0,
                    max_crashes=max_crashes,
                    unique_key=unique_key,
                    unique_for=chance.choice((None, None, None, 5)) if unique_key else None,
                    expires=chance.choice((1, 5, 20)) if chance.is_so(0.4) else None,
                )
            )
        call = protocol.enqueue(self.queue, new_tasks)
        self.do(chance, call, lambda: self.model.enqueue(new_tasks, names, crashes))

    # Workers.

    @precondition(lambda self: self.model.tasks)
    @rule(chance=chances)
    def claim(self, chance: Chance) -> None:
        if chance.is_so(0.5):  # an idle worker has taken the last tokens
            self.engine.redis.delete(self.queue.notify)
        worker = chance.choice(ACTORS)
        limit, lease_ms = chance.choice((1, 2, 3, 20)), chance.choice((LEASE_MS, LEASE_MS, 5_000))
        lanes = [lane for lane in LANES if lane.startswith("unknown") and chance.is_so(0.3)]
        is_fair, max_bytes = chance.is_so(0.5), chance.choice((1, 30, *[1 << 20] * 4))
        self.do(
            chance,
            protocol.claim(self.queue, worker, limit, lease_ms, is_fair=is_fair, lanes=lanes, max_bytes=max_bytes),
            lambda: self.model.claim(worker, limit, lease_ms, is_fair, lanes, max_bytes),
            lambda claimed: self.model.report(claimed.fence, [task.id for task in claimed.tasks], lanes),
        )

    @precondition(lambda self: self.claims)
    @rule(chance=chances)
    def complete(self, chance: Chance) -> None:
        result = Result(b'{"sent":1}', 60_000)
        held = [replace(claim, result=result) if chance.is_so(0.2) else claim for claim in self.held(chance)]
        self.do(chance, protocol.complete(self.queue, held), lambda: self.model.complete(held))

    @precondition(lambda self: self.claims)
    @rule(chance=chances)
    def fail(self, chance: Chance) -> None:
        verdicts = (*(protocol.RETRY, protocol.DEAD) * 3, protocol.DISCARD, protocol.CANCEL)
        failed = [
            self.engine.failed(
                held,
                chance.choice(verdicts),
                delay_ms=chance.choice((0, 1_000, 1_000, 60_000)),
                message=chance.choice(("no answer", "refused")),
            )
            for held in self.held(chance)
        ]
        self.do(chance, protocol.fail(self.queue, failed), lambda: self.model.fail(failed))

    @precondition(lambda self: self.claims)
    @rule(chance=chances)
    def release(self, chance: Chance) -> None:
        released = []
        for held in self.held(chance):
            task = self.model.tasks.get(held.id)
            lane = f"unknown:{task.name}" if task else ""
            is_unknown = lane in LANES and chance.is_so(0.4)
            facts = {"why": "stop"} if chance.is_so(0.5) else None
            released.append(ReleasedTask(held.id, held.fence, lane if is_unknown else "", facts))
        self.do(chance, protocol.release(self.queue, released), lambda: self.model.release(released))

    @precondition(lambda self: self.claims)
    @rule(chance=chances)
    def extend(self, chance: Chance) -> None:
        held, lease_ms = self.held(chance), chance.choice((LEASE_MS, 5_000))
        self.do(chance, protocol.extend(self.queue, held, lease_ms), lambda: self.model.extend(held, lease_ms))

    @precondition(lambda self: self.model.overdue())
    @rule(chance=chances)
    def expire(self, chance: Chance) -> None:
        overdue = self.model.overdue()
        running = [task_id for task_id in overdue if task_id in self.model.leases]
        chosen = self.ids(chance, running if running and chance.is_so(0.7) else overdue)
        self.do(chance, protocol.expire(self.queue, chosen), lambda: self.model.expire(chosen))

    @precondition(lambda self: self.model.expiring or self.model.dead)
    @rule(chance=chances)
    def list_outstayed(self, chance: Chance) -> None:
        self.do(chance, reading.list_outstayed(self.queue), self.model.list_outstayed)

    @precondition(lambda self: self.model.leases)
    @rule(chance=chances)
    def recover_expired(self, chance: Chance) -> None:
        limit = chance.choice((1, 256))
        call = protocol.recover(self.queue, LEASE_MS, limit=limit, jitter=0)
        self.do(chance, call, lambda: self.model.recover(LEASE_MS, [], limit))

    @precondition(lambda self: self.model.leases)
    @rule(chance=chances)
    def recover_held(self, chance: Chance) -> None:
        held = self.held(chance)
        call = protocol.recover(self.queue, LEASE_MS, held=held, jitter=0)
        self.do(chance, call, lambda: self.model.recover(LEASE_MS, held, 256))

    # Operators.

    @precondition(lambda self: self.model.dead)
    @rule(chance=chances)
    def requeue(self, chance: Chance) -> None:
        letters = list(self.model.dead.items())
        chosen = chance.some(letters, [("gone", 1), *((task_id, died - 1) for task_id, died in letters)])
        call = protocol.requeue(self.queue, chosen, {"by": "ada"})
        self.do(chance, call, lambda: self.model.requeue(chosen))

    @precondition(lambda self: self.model.dead)
    @rule(chance=chances)
    def edit(self, chance: Chance) -> None:
        """At times of one that died again since, that is not dead, or with the envelope of another task."""
        (task_id,) = self.ids(chance, self.model.dead)[:1]
        died = self.model.dead.get(task_id, 1) - (1 if chance.is_so(0.1) else 0)
        priority, is_another = chance.choice((0, 0, 5, -1)), chance.is_so(0.1)
        stored = self.model.tasks[task_id].envelope if task_id in self.model.tasks else b"send\n{}"
        envelope = codec.edited(stored, b'{"edited":%d}' % chance.randint(1, 9), priority, chance.randint(0, 9))
        envelope = b"other" + envelope if is_another else envelope
        call = protocol.edit(self.queue, task_id, died, envelope, {"by": "ada"})
        self.do(chance, call, lambda: self.model.edit(task_id, died, envelope, priority, is_another=is_another))

    @precondition(lambda self: self.model.tasks)
    @rule(chance=chances)
    def trash(self, chance: Chance) -> None:
        chosen, keep_ms = self.ids(chance, self.model.tasks), chance.choice((KEEP_MS, 5_000))
        call = protocol.trash(self.queue, chosen, keep_ms, "ada", "test")
        self.do(chance, call, lambda: self.model.trash(chosen, keep_ms))

    @precondition(lambda self: self.model.dead)
    @rule(chance=chances)
    def trash_outstayed(self, chance: Chance) -> None:
        chosen = self.ids(chance, self.model.dead)
        died_by = chance.choice(list(self.model.dead.values())) - chance.choice((0, 1))
        call = protocol.trash(self.queue, chosen, KEEP_MS, "ada", "test", died_by_ms=died_by)
        self.do(chance, call, lambda: self.model.trash(chosen, KEEP_MS, died_by))

    @precondition(lambda self: self.model.tasks)
    @rule(chance=chances)
    def cancel(self, chance: Chance) -> None:
        chosen = self.ids(chance, self.model.tasks)
        call = protocol.cancel(self.queue, chosen, {"by": "ada"})
        self.do(chance, call, lambda: self.model.cancel(chosen))

    @precondition(lambda self: self.model.trashed)
    @rule(chance=chances)
    def restore(self, chance: Chance) -> None:
        chosen = self.ids(chance, self.model.trashed)
        self.do(chance, protocol.restore(self.queue, chosen), lambda: self.model.restore(chosen))

    @precondition(lambda self: self.model.trashed)
    @rule(chance=chances)
    def delete(self, chance: Chance) -> None:
        due_limit = chance.choice((0, 0, 1, 10))
        chosen = [] if due_limit else self.ids(chance, self.model.trashed)
        call = protocol.delete(self.queue, chosen, due_limit=due_limit)
        self.do(chance, call, lambda: self.model.delete(chosen, due_limit))

    @precondition(lambda self: self.model.scheduled or self.model.retrying)
    @rule(chance=chances)
    def promote(self, chance: Chance) -> None:
        chosen = self.ids(chance, [*self.model.scheduled, *self.model.retrying])
        self.do(chance, protocol.promote(self.queue, chosen), lambda: self.model.promote(chosen))

    @rule(chance=chances)
    def limit(self, chance: Chance) -> None:
        limited = [name for name in self.model.limits.chosen if name not in ("by", "at")]
        is_lifted = limited and chance.is_so(0.5)
        chosen = {chance.choice(limited): None} if is_lifted else chance.choice(LIMITS)
        changes, by = limits.changes(**chosen), chance.choice(ACTORS)
        self.do(chance, protocol.limit(self.queue, changes, by), lambda: self.model.limit(changes, by))

    @precondition(lambda self: self.model.tasks)
    @rule(chance=chances)
    def pause(self, chance: Chance) -> None:
        self.do(chance, protocol.pause(self.queue, "ada", "test"), self.model.pause)

    @precondition(lambda self: self.model.is_paused or self.model.leases)
    @rule(chance=chances)
    def resume(self, chance: Chance) -> None:
        self.do(chance, protocol.resume(self.queue), self.model.resume)

    @precondition(lambda self: self.model.tasks)
    @rule(chance=chances)
    def close_lane(self, chance: Chance) -> None:
        lane = chance.choice(LANES)
        call = protocol.close_lane(self.queue, lane, "ada", "test")
        self.do(chance, call, lambda: self.model.close_lane(lane))

    @precondition(lambda self: self.model.lanes)
    @rule(chance=chances)
    def open_lane(self, chance: Chance) -> None:
        lane = chance.choice(sorted(self.model.lanes))
        self.do(chance, protocol.open_lane(self.queue, lane, "ada"), lambda: self.model.open_lane(lane))

    @precondition(lambda self: self.model.faults)
    @rule(chance=chances)
    def say_of_fault(self, chance: Chance) -> None:
        fault, by = chance.choice([*self.model.seen_faults, "gone"]), chance.choice(ACTORS)
        verb = chance.choice(("mute", "mute", "unmute", "note"))
        if verb == "mute":
            until = chance.choice((None, self.engine.now, self.engine.now + 60_000))
            attempts = chance.choice((2, None)) if until else 3
            call = protocol.mute_fault(self.queue, fault, until, attempts, by, "test")
            self.do(chance, call, lambda: self.model.mute_fault(fault, until, attempts, by, "test"))
        elif verb == "unmute":
            self.do(chance, protocol.unmute_fault(self.queue, fault), lambda: self.model.unmute_fault(fault))
        else:
            text = f"note {self.steps}"
            call = protocol.note_fault(self.queue, fault, by, text)
            self.do(chance, call, lambda: self.model.note_fault(fault, by, text))

    # What else happens.

    @rule(chance=chances)
    def let_time_pass(self, chance: Chance) -> None:
        self.done["time passes"] += 1
        could_expire = not self.model.has_expired()
        ms = chance.choice((1, 1, 700, 1_000, 1_000, 5_000, 11_000, LEASE_MS, KEEP_MS))
        moments = self.model.moments()
        if chance.is_so(0.5):  # the time of a task to begin, while it runs
            over = {self.model.expiring.get(task_id) for task_id in self.model.leases}
            moments = [at for at in moments if at in over] or moments
        if moments and chance.is_so(0.7):
            ms = chance.choice(moments) - self.model.now
        self.model.now = self.engine.later(ms)
        self.done["lease ran out"] += could_expire and self.model.has_expired()

    @precondition(lambda self: self.sent)
    @rule(chance=chances)
    def send_again_later(self, chance: Chance) -> None:
        self.send_again(chance.choice(list(self.sent.values())), "sent again after others")

    @precondition(lambda self: any(sent.stale for sent in self.sent.values()))
    @rule(chance=chances)
    def send_stale(self, chance: Chance) -> None:
        self.done["stale command"] += 1
        sent = chance.choice([sent for sent in self.sent.values() if sent.stale])
        with pytest.raises(ResponseError, match="STALE"):
            self.send(sent, chance.choice(sent.stale))

    @precondition(lambda self: self.sent)
    @rule(chance=chances)
    def send_again_beyond_the_window(self, chance: Chance) -> None:
        """The session has expired: the command is a new one."""
        self.done["sent again beyond the window"] += 1
        sent = chance.choice(list(self.sent.values()))
        if sent.call.has_session:
            self.engine.redis.delete(sent.command[4])
        sent.stale = []
        self.carry_out(sent)

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
    kind: Callable[[Engine, Counter[str]], RuleBasedStateMachine] = QueueMachine,
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


@st.composite
def steps_of(draw: st.DrawFn, machine: Any) -> tuple[Any, dict[str, Chance]]:
    """A rule that can be applied now and its chance: all of them in all runs, where Hypothesis would leave some out."""
    machine.steps += 1
    chance = Chance(draw(numbers) * 64 + machine.steps)  # a number that comes often means something else each time
    return rule_of(machine, chance, machine.weights), {"chance": chance}


def rule_of(machine: RuleBasedStateMachine, chance: Chance, weights: Mapping[str, float] = WEIGHTS) -> Any:
    """One that can be applied now."""
    rules = [rule for rule in machine.rules if all(is_met(machine) for is_met in rule.preconditions)]
    return chance.choices(rules, [weights.get(rule.function.__name__, 1) for rule in rules])[0]
