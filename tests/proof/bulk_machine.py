"""Random lives of a queue on which operations work: each begins with a preview, and its chunks are run by one of
several runners, some of which were replaced, amid everything else that happens to the queue. Its model is `bulk`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from functools import cache
from typing import Any, ClassVar

from hypothesis.stateful import precondition, rule
from redis.exceptions import ResponseError

from queue_core import connection, protocol
from queue_core.bounds import DRIPPING, check_bound, check_pace
from queue_core.errors import OperationEnded, ServerRefused, TooManyOperations, UnknownOperation
from queue_core.inspector import Inspector
from queue_core.operations import Operations, _chunk_call
from queue_core.previews import VERBS
from queue_core.protocol import Acted, Argument, Call, Chunk, Switched
from queue_core.protocol.operations import KEPT_MS
from queue_core.scripts import Script
from queue_core.snapshot import State
from tests.engine import KEEP_MS, LEASE_MS, Engine
from tests.invariants import State as Keys
from tests.proof import bulk
from tests.proof.bulk import BulkModel, NotDone, Operation, Shown
from tests.proof.chance import Chance, chances
from tests.proof.counting_machine import CountingMachine
from tests.proof.halves import changed
from tests.proof.limits import Refused
from tests.proof.machine import Sent
from tests.proof.places import MAX_CRASHES
from tests.proof.queue_machine import KEYS, NAMES

RUNNERS = ("r1", "r2", "r3")
OUTCOMES = ("completed", "failed", "ended", "recalled")
REFUSALS = (TooManyOperations, UnknownOperation, OperationEnded, ServerRefused)
TEXTS, NUMBERS = ("state", "why", "runner", "left"), ("looked", "done", "heard", "canary", "next", "ended")
"""Of an operation's HASH."""
PREFERRED = {"requeue": 4, "restore": 3, "delete": 2}
BOUNDS = "= 128, 1024, 15000, 1000, 604800000, 100"
"""Of lib/operation.lua; here they are so small that a life meets them."""
TARGETS = tuple((verb, state) for verb, states in VERBS.items() for state in sorted(states) if verb != "move")


class BulkMachine(CountingMachine):
    weights: ClassVar[Mapping[str, float]] = {
        **CountingMachine.weights, "enqueue_many": 5, "work": 10, "start_operation": 6, "run_chunk": 20,
        "switch_operation": 4, "let_operation_come_due": 5, "limit": 0.2, "pause": 0.3, "close_lane": 0.3,
        "delete": 0.5,
    }  # fmt: skip
    kind_of_model = BulkModel
    model: BulkModel

    def __init__(self, engine: Engine, done: Counter[str]) -> None:
        super().__init__(engine, done)
        self.operations = Operations(client=engine.client)
        self.inspector = Inspector(client=engine.client)
        self.shown: list[Shown] = []
        """The last previews."""
        self.names: dict[str, None] = {}
        """Of operations, in their order."""
        self.facts: dict[str, dict[bytes, bytes]] = {}
        """What each operation was begun with."""
        self.named: dict[str, tuple[str, ...]] = {}
        """Tasks that a chunk which cancels was told of."""

    def send(self, sent: Sent, command: list[Argument]) -> Any:
        try:
            return super().send(sent, command)
        except ResponseError as error:
            why = type(connection.translate(error, self.engine.url))
            if why in REFUSALS:
                return Refused(why)
            raise

    def carry_out(self, sent: Sent) -> None:
        were_scheduled = dict(self.model.scheduled)
        super().carry_out(sent)
        for shown in [*self.shown, *(operation.shown for operation in self.model.operations.values())]:
            self.model.note_who_left(shown, were_scheduled)

    def compare(self, sent: Sent, raw: Any, expected: Any) -> None:
        answer = expected.answer if isinstance(expected, NotDone) else expected
        super().compare(sent, raw, answer)
        chunk = answer.chunk if isinstance(answer, Acted) else None
        if chunk:
            self.done[f"told: {chunk.word}"] += 1
        if chunk and chunk.ids:
            self.named[sent.call.keys[0].rpartition(":")[2]] = chunk.ids

    # Operators.

    @precondition(lambda self: self.model.tasks)
    @rule(chance=chances)
    def preview(self, chance: Chance) -> None:
        self.show(chance)

    @precondition(lambda self: self.model.tasks)
    @rule(chance=chances)
    def start_operation(self, chance: Chance) -> None:
        purges = [one for one in self.model.operations.values() if one.bound.verb == "trash" and one.done]
        requeued = self.recallable()
        if requeued and chance.is_so(0.6):
            shown: Shown | None = self.show_recalling(chance.choice(requeued))
        elif purges and chance.is_so(0.25):
            shown = self.show_undoing(chance.choice(purges))
        else:
            shown = chance.choice(self.shown) if self.shown and chance.is_so(0.3) else self.show(chance)
        if shown is None:
            return
        is_known = self.names and chance.is_so(0.2)
        name = chance.choice(list(self.names)) if is_known else f"{len(self.names):012x}"
        verb = shown.bound.verb
        if verb == "recall" and self.model.operations[shown.bound.undoes].ended is None:
            ends = protocol.switch_operation(self.queue, shown.bound.undoes, "cancel", "recalled")
            self.do(chance, ends, lambda: self.model.switch(shown.bound.undoes, "cancel", "recalled"))
        drip = chance.choice((1.0, 2.0, 4.0, 0.5)) if verb in DRIPPING and chance.is_so(0.5) else None
        canary = chance.randint(1, 3) if verb == "requeue" and chance.is_so(0.8) else 0
        keep_ms = chance.choice((KEEP_MS, 5_000))
        facts = check_bound(shown.bound) | check_pace(shown.bound, drip, canary)
        facts |= {"by": "ada", "reason": "test", "keep": keep_ms}
        call = protocol.start_operation(self.queue, name, facts, counts_outcome=verb == "requeue")
        limits = (name, KEPT_MS, bulk.MAX_KEPT, bulk.MAX_UNDER_WAY)
        call = call._replace(arguments=(*limits, *call.arguments[len(limits) :]))
        own = Shown(shown.bound, set(shown.staying))  # another may be bound to the same preview
        self.names |= {name: None}

        def begin() -> Switched | Refused:
            switched = self.model.start(name, own, drip, canary, keep_ms)
            if switched == Switched(self.model.now, True):
                self.facts[name] = {fact.encode(): str(value).encode() for fact, value in facts.items()}
            return switched

        self.do(chance, call, begin)
        if verb == "recall" and name in self.facts and chance.is_so(0.7):  # before a worker has begun all of it
            self.send_chunk(chance, self.model.operations[name], name, verb, "r1")

    @precondition(lambda self: self.is_working())
    @rule(chance=chances)
    def run_chunk(self, chance: Chance) -> None:
        operation = self.one(chance)
        runner = operation.runner if operation.runner and chance.is_so(0.6) else chance.choice(RUNNERS)
        name = "gone" if chance.is_so(0.02) else operation.id
        verb = chance.choice(TARGETS)[0] if chance.is_so(0.03) else operation.bound.verb
        self.done["another runner"] += runner != operation.runner != ""
        for _ in range(2 if verb == "cancel" and chance.is_so(0.7) else 1):
            self.send_chunk(chance, operation, name, verb, runner)

    def send_chunk(self, chance: Chance, operation: Operation, name: str, verb: str, runner: str) -> None:
        """One that cancels is told the tasks that the one before it has named."""
        named = self.named.pop(operation.id, ()) if verb == "cancel" else ()
        facts = {**self.facts[operation.id], b"verb": verb.encode()}
        call = _chunk_call(self.queue, facts, Chunk(name, runner), named)
        self.done[f"chunk: {verb}"] += 1
        self.do(chance, with_small_bounds(call), lambda: self.model.chunk(name, verb, runner, named))

    @precondition(lambda self: self.model.operations)
    @rule(chance=chances)
    def switch_operation(self, chance: Chance) -> None:
        """Mostly with a chunk behind it, in which that takes effect."""
        operation = self.one(chance)
        name = "gone" if chance.is_so(0.03) else operation.id
        verb, why = (
            chance.choice(("pause", "pause", "resume", "resume", "cancel")),
            chance.choice(("", "slow", "wrong")),
        )
        if operation.waits_for_first and chance.is_so(0.5):
            verb = "resume"
        call = protocol.switch_operation(self.queue, name, verb, why)
        self.do(chance, call, lambda: self.model.switch(name, verb, why))
        if verb == "cancel" or chance.is_so(0.6):
            self.send_chunk(chance, operation, operation.id, operation.bound.verb, operation.runner or "r1")

    @precondition(lambda self: self.model.operations)
    @rule(chance=chances)
    def look_at_operation(self, chance: Chance) -> None:
        """As the console and the command line show it."""
        operation = self.one(chance)
        seen = self.inspector.operation(operation.id, self.queue.queue)
        counts = operation.outcome or Counter()
        progress = "waiting" if operation.progress == "running" and operation.waits_for_first else operation.progress
        assert (seen.progress, seen.why, seen.looked_at, seen.done) == (
            progress, operation.why, operation.looked, operation.done,
        )  # fmt: skip
        assert seen.skipped == operation.skipped
        assert (seen.completed, seen.failed, seen.left, seen.recalled) == tuple(counts[how] for how in OUTCOMES)

    def is_working(self) -> bool:
        return any(operation.ended is None for operation in self.model.operations.values())

    def one(self, chance: Chance) -> Operation:
        """Mostly one that is under way."""
        operations = list(self.model.operations.values())
        under_way = [operation for operation in operations if operation.ended is None]
        return chance.choice(under_way if under_way and chance.is_so(0.85) else operations)

    def show(self, chance: Chance) -> Shown | None:
        """A preview of what there is now. Nothing, where there is nothing."""
        targets = [target for target in TARGETS if self.model.preview("", *target).bound.count]
        if not targets:
            return None
        verbs = sorted({verb for verb, _ in targets})
        verb = chance.choices(verbs, [PREFERRED.get(verb, 1) for verb in verbs])[0]
        state = chance.choice([state for its_verb, state in targets if its_verb == verb])
        faults: list[str] = []
        since = None
        if state is State.DEAD and chance.is_so(0.6):
            known = sorted({self.model.tasks[task_id].fault for task_id in self.model.dead})
            faults = chance.sample(known, chance.randint(1, len(known)))
            since = chance.choice((None, min(self.model.dead.values()) + 1, max(self.model.dead.values())))
        queue = self.queue.queue
        seen = self.operations.preview(queue, verb, state=state, faults=faults, since=since).bound
        shown = self.model.preview(queue, verb, state, faults, since)
        assert seen == shown.bound, f"the preview is\n{seen}\nand should be\n{shown.bound}"
        self.done["preview"] += 1
        if not shown.bound.count:
            return None
        self.shown = [*self.shown[-2:], shown]
        return shown

    def show_undoing(self, purge: Operation) -> Shown:
        """What would undo what a purge has done by now."""
        queue, shown = self.queue.queue, self.model.undoing(self.queue.queue, purge)
        since, until = shown.bound.since or 0, shown.bound.highest or 0
        seen = self.operations.undoing(queue, purge.id, purge.done, since=since, until=until)
        assert seen == shown.bound
        self.shown = [*self.shown[-2:], shown]
        return shown

    def recallable(self) -> list[Operation]:
        """Those of whose tasks some wait still."""
        requeues = [
            one for one in self.model.operations.values() if one.bound.verb == "requeue" and one.outcome is not None
        ]
        return [one for one in requeues if self.model.recalling("", one).bound.count]

    def show_recalling(self, requeued: Operation) -> Shown:
        queue, shown = self.queue.queue, self.model.recalling(self.queue.queue, requeued)
        assert self.operations.recalling(queue, requeued.id) == shown.bound
        self.shown = [*self.shown[-2:], shown]
        return shown

    # Producers and workers.

    @rule(chance=chances)
    def enqueue_many(self, chance: Chance) -> None:
        names = [chance.choice(NAMES) for _ in range(chance.randint(4, 10))]
        new_tasks = [
            self.engine.new_task(
                name=name,
                priority=chance.choice((0, 0, 5)),
                delay_ms=chance.choice((0, 0, 5_000)),
                unique_key=chance.choice((None, None, *KEYS[-2:])),
            )
            for name in names
        ]
        crashes = [MAX_CRASHES] * len(names)
        call = protocol.enqueue(self.queue, new_tasks)
        self.do(chance, call, lambda: self.model.enqueue(new_tasks, names, crashes))

    @precondition(lambda self: self.model.ready())
    @rule(chance=chances)
    def work(self, chance: Chance) -> None:
        """One worker runs what is ready, and much of it fails."""
        self.do(
            chance,
            protocol.claim(self.queue, "ada", 20, LEASE_MS),
            lambda: self.model.claim("ada", 20, LEASE_MS, False, (), 1 << 20),
            lambda claimed: self.model.report(claimed.fence, [task.id for task in claimed.tasks], ()),
        )
        held = [claim for claim in self.claims if self.holds(claim)]
        well = [claim for claim in held if chance.is_so(0.3)]
        failed = [
            self.engine.failed(
                claim,
                chance.choice((protocol.RETRY, protocol.DEAD, protocol.DEAD, protocol.DISCARD)),
                delay_ms=chance.choice((1_000, 60_000)),
                message=chance.choice(("no answer", "refused")),
            )
            for claim in held
            if claim not in well
        ]
        if failed:
            self.do(chance, protocol.fail(self.queue, failed), lambda: self.model.fail(failed))
        if well:
            self.do(chance, protocol.complete(self.queue, well), lambda: self.model.complete(well))

    # What else happens.

    @precondition(lambda self: self.is_working())
    @rule(chance=chances)
    def let_operation_come_due(self, chance: Chance) -> None:
        """Its drip is due, or its runner was silent for so long that another may run it: just so, just not, or long."""
        self.done["time passes"] += 1
        operation = self.one(chance)
        times = (operation.next_at, operation.heard + bulk.SILENT_MS, self.model.now + bulk.ASK_AGAIN_MS)
        later = [at + more for at in times for more in (-1, 0, 3_000) if at + more > self.model.now]
        self.model.now = self.engine.later(chance.choice(later) - self.model.now)
        self.send_chunk(chance, operation, operation.id, operation.bound.verb, chance.choice(RUNNERS))

    # What holds after every step.

    def teardown(self) -> None:
        """What has ended stays as it is, whoever goes on with it."""
        chance = Chance(self.steps)
        ended = [operation for operation in self.model.operations.values() if operation.ended is not None]
        for operation in ended:
            for name in (operation.id, "gone"):
                self.send_chunk(chance, operation, name, operation.bound.verb, operation.runner or "r1")
        if ended:
            self.state_is_the_models()
        super().teardown()
        for operation in self.model.operations.values():
            for how, number in (operation.outcome or {}).items():
                self.done[f"outcome: {how}"] += number
            self.done["tasks: skipped"] += sum(n for why, n in operation.skipped.items() if why != "gone")
            self.done["tasks: gone"] += operation.skipped["gone"]
            self.done["tasks: done"] += operation.done
            self.done["tasks: undone"] += operation.done if operation.bound.undoes else 0

    def differences_of(self, state: Keys) -> list[str]:
        seen, expected = seen_operations(state), expected_operations(self.model)
        differences = [
            f"{what} is\n{seen.get(what)}\nand should be\n{expected.get(what)}"
            for what in seen | expected
            if seen.get(what) != expected.get(what)
        ]
        return [*super().differences_of(state), *differences]

    def other_keys(self) -> dict[str, str]:
        operations = {self.queue.operation(name): "hash" for name in self.model.operations}
        return super().other_keys() | operations


def seen_operations(state: Keys) -> dict[str, Any]:
    """In the model's words."""
    found: dict[str, Any] = {
        key: {
            **{name: facts.get(name, "") for name in TEXTS},
            **{name: facts.get(name, "0") for name in NUMBERS},
            **{name: number for name, number in facts.items() if name.startswith("skipped:")},
        }
        for key, facts in state.items()
        if key.startswith("operation:")
    }
    return found | {"operations": state.get("operations", {}), "outcomes": state.get("outcomes", {})}


def expected_operations(model: BulkModel) -> dict[str, Any]:
    found: dict[str, Any] = {
        f"operation:{operation.id}": {
            "state": operation.progress,
            "why": operation.why,
            "looked": f"{operation.looked}",
            "done": f"{operation.done}",
            "runner": operation.runner,
            "heard": f"{operation.heard}",
            "canary": f"{operation.canary}",
            "next": f"{operation.next_at}",
            "left": "".join(f"{task_id} {why}\n" for task_id, why in operation.left),
            "ended": f"{operation.ended or 0}",
            **{f"skipped:{why}": f"{number}" for why, number in operation.skipped.items()},
        }
        for operation in model.operations.values()
    }
    listed = [operation for operation in model.operations.values() if operation.is_listed]
    return found | {
        "operations": {operation.id: operation.ended or -operation.began for operation in listed},
        "outcomes": {
            f"{operation.id}:{how}": f"{operation.outcome[how]}"
            for operation in listed
            if operation.outcome is not None
            for how in OUTCOMES
        },
    }


@cache
def _small(script: Script) -> Script:
    text = script.text.replace(
        BOUNDS, f"= {bulk.CHUNK}, {bulk.LOOK_AT_MOST}, 15000, 1000, 604800000, {bulk.MAX_LISTED}"
    )
    if text == script.text:
        raise ValueError("the script's bounds are gone: this has to follow it")
    return changed(script, text.replace("NAMED_AT_MOST = 64", f"NAMED_AT_MOST = {bulk.NAMED_AT_MOST}"))


def with_small_bounds(call: Call[Any]) -> Call[Any]:
    """The same chunk, but of so few tasks that a life has many."""
    return call._replace(script=_small(call.script))
