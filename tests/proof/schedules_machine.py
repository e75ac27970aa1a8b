"""Random lives of a queue into which schedules enqueue, step by step beside the model of both (`schedules_model`).

Schedulers tick one request at a time, each in its own code and with its own clock; they are slow or die between any two
requests, and what they have sent comes twice, or long after. Operators pause, resume, change, remove and run schedules
meanwhile, the queue is full, paused or at its rate, and its tasks run and end as they do in any queue (`machine`).
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Any, ClassVar

from hypothesis.stateful import precondition, rule

from queue_core import fsck, limits, protocol
from queue_core.control import Control
from queue_core.errors import QueueFull, QueueNotEmpty, RateLimited, UnknownSchedule
from queue_core.protocol import Call
from queue_core.snapshot import Outcome
from tests.proof.chance import Chance, chances
from tests.proof.machine import tell
from tests.proof.queue_machine import WEIGHTS
from tests.proof.schedulers import MINUTE, NAMES, TASK, WISHES, declared_by, known, resumed, some_code, with_priority
from tests.proof.schedules_life import SchedulesLife
from tests.proof.schedules_model import Entry, Said

MOST_SCHEDULERS = 3
FAULTS = (
    "scheduler died", "its request came after its death", "its request was lost", "clock wrong",
    "operator's form again", "queue deleted",
)  # fmt: skip
"""What goes wrong on purpose, besides the faults of one queue."""
VERBS = ("add", "add", "change", "pause", "resume", "resume", "remove", "run_now", "run_now")


class SchedulesMachine(SchedulesLife):
    weights: ClassVar[Mapping[str, float]] = {
        **dict.fromkeys(WEIGHTS, 0.4), "go_on": 24, "claim": 4, "complete": 8, "operate": 5, "let_time_pass": 8,
        "limit": 0.6, "die": 1.5, "deploy": 1, "look_at_schedules": 1, "delete_queue": 1, "come_late": 3,
        "enqueue": 0.6, "send_again_later": 1, "send_again_beyond_the_window": 1, "send_stale": 1, "close_lane": 0.2,
        "pause": 0.3, "cancel": 0.5, "trash": 0.3,
    }  # fmt: skip

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

    # The end.

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
