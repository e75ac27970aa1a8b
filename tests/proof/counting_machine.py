"""Random lives of a queue whose statistics are looked at: what workers measure is sent in between, and what was counted
in any minute, any hour and of any task name is what the model of that says (`counting`)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import ClassVar

from hypothesis.stateful import precondition, rule

from queue_core import decoding, protocol, telemetry
from queue_core.histogram import BUCKETS, Histogram
from queue_core.snapshot import COUNTERS, Figures
from queue_core.telemetry import HOUR_MS, MAX_HOURS, MAX_MINUTES, MAX_NAME_HOURS, MINUTE_MS, Asked
from tests.engine import Engine
from tests.invariants import State
from tests.proof.chance import Chance, chances
from tests.proof.counting import MAX_FIELDS, NOTHING, Counting, asked_of
from tests.proof.machine import Sent
from tests.proof.queue_machine import NAMES, WEIGHTS, QueueMachine

DAY_MS = 24 * HOUR_MS
MANY_NAMES = tuple(f"name-{number:03}" for number in range(250))
"""Two kinds of each are more than an hour has room for."""
COUNTED = {"enqueue": "enqueued", "cancel": "cancelled", "expire": "expired"}
"""Scripts that count in the names of tasks, and as what."""
EVERYTHING = Asked(hours=MAX_HOURS, by_name=True)
SHORT = (Asked(minutes=1), Asked(hours=1, by_name=True), Asked(minutes=61, by_name=True))
LONG = (Asked(minutes=MAX_MINUTES), EVERYTHING)


class CountingMachine(QueueMachine):
    weights: ClassVar[Mapping[str, float]] = {**WEIGHTS, "measure": 2, "read_statistics": 2}

    def __init__(self, engine: Engine, done: Counter[str]) -> None:
        super().__init__(engine, done)
        self.counting = Counting()

    def carry_out(self, sent: Sent) -> None:
        before = dict(self.model.tasks)
        super().carry_out(sent)
        self.counting.count_books(self.model.now, self.model.books)
        counter, after = COUNTED.get(sent.call.script.name), self.model.tasks
        if counter:
            came = [after[task_id].name for task_id in after.keys() - before.keys()]
            left = [before[task_id].name for task_id in before.keys() - after.keys()]
            self.counting.count_names(self.model.now, counter, came + left)

    @rule(chance=chances)
    def measure(self, chance: Chance) -> None:
        names = [name for name in NAMES if chance.is_so(0.5)]
        if chance.is_so(0.1):
            names += chance.choice((MANY_NAMES[:25], MANY_NAMES[:25], MANY_NAMES[:25], MANY_NAMES))
        measured = {name: _some_figures(chance) for name in names}
        ages = {name: chance.choice((0, 1_500, 90_000)) for name in names if chance.is_so(0.8)}
        call = protocol.measure(self.queue, measured, ages)
        self.do(chance, call, lambda: self.counting.measure(self.model.now, measured, ages))

    @precondition(lambda self: self.state)
    @rule(chance=chances)
    def read_statistics(self, chance: Chance) -> None:
        self.done["statistics"] += 1
        self.look(chance.choice(SHORT if chance.is_so(0.8) else LONG))

    @rule(chance=chances)
    def let_hours_pass(self, chance: Chance) -> None:
        self.done["time passes"] += 1
        ms = chance.choice((MINUTE_MS, MINUTE_MS, HOUR_MS, HOUR_MS, 5 * HOUR_MS, 26 * HOUR_MS, 8 * DAY_MS, 36 * DAY_MS))
        self.model.now = self.engine.later(ms)

    def look(self, asked: Asked) -> None:
        told = asked_of(self.engine.run(telemetry.read_counted(self.queue, asked)), asked)
        expected = self.counting.told(self.model.now, asked)
        assert told == expected, f"{asked} tells\n{told}\nand should tell\n{expected}"

    def differences_of(self, state: State) -> list[str]:
        stats, books = state.get("stats", {}), self.counting.books
        values = [stats.get(name, "").encode() for name in (*COUNTERS, "wait", "run")]
        seen = decoding.figures_of_books(values)
        return [*super().differences_of(state), *([f"books are\n{seen}\nnot\n{books}"] if seen != books else [])]

    def teardown(self) -> None:
        """The hours add up to the books, as long as hours are kept; what was longer ago is not there any more."""
        super().teardown()
        if not self.counting.since:
            return
        self.look(EVERYTHING)
        kept, names = self.engine.telemetry(), self.engine.redis.hlen(self.queue.names)
        assert names <= MAX_FIELDS + 3, f"{names} fields of names"
        assert all(minute > kept.noted - MAX_MINUTES for minute in kept.minutes)
        assert all(hour > kept.noted // 60 - MAX_HOURS for hour in kept.hours)
        assert all(hour > (self.counting.hour or 0) - MAX_NAME_HOURS for hour in kept.names)
        if self.counting.since > self.model.now - MAX_HOURS * HOUR_MS:
            told = self.engine.run(telemetry.read_counted(self.queue, EVERYTHING))
            assert sum(told.hours.values(), NOTHING) == self.counting.books


def _some_figures(chance: Chance) -> Figures:
    def some(count: int) -> list[int]:
        return [chance.randint(0, 3) if chance.is_so(0.3) else 0 for _ in range(count)]

    return Figures.of(some(len(COUNTERS)), Histogram.of(some(BUCKETS)), Histogram.of(some(BUCKETS)))
