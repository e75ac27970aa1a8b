"""Random lives of a queue on a real server, step by step beside the model of it (`model`).

Each rule is one transition, called by one of several sessions: its answer has to be the model's, and then the whole
state that is read back. Answers get lost and commands are sent again, at once or later, also stale ones;
ids are unknown, fences wrong, batches have ids twice, time passes, leases run out.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, ClassVar

import pytest
from hypothesis.stateful import precondition, rule
from redis.exceptions import ResponseError

from queue_core import codec, limits, protocol, reading
from queue_core.protocol import ReleasedTask, Result
from tests.engine import KEEP_MS, LEASE_MS
from tests.proof.chance import Chance, chances
from tests.proof.machine import ACTORS, Machine
from tests.proof.places import MAX_CRASHES

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
WEIGHTS = {
    "enqueue": 4, "claim": 8, "complete": 2, "fail": 4, "release": 3, "requeue": 3, "trash": 2, "restore": 3,
    "delete": 2, "resume": 3, "recover_expired": 3, "recover_held": 3, "expire": 6, "list_outstayed": 2, "limit": 2,
    "open_lane": 2, "send_stale": 2, "let_time_pass": 4,
}  # fmt: skip
"""Of rules that are chosen more often than others."""


class QueueMachine(Machine):
    weights: ClassVar[Mapping[str, float]] = WEIGHTS

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
