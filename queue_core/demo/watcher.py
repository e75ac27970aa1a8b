"""Sees what happens in the demo's queues: who died, what an operator did about it, and what came of that."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from queue_core.demo.facts import Died, Fact, Purged, Retried
from queue_core.errors import UnknownTask
from queue_core.inspector import Inspector
from queue_core.snapshot import State, TaskDetail, TaskSummary

PAGE = 200
"""Newest dead letters that are looked at. One that is older and was retried is still found, by its id."""
QUIET_SECONDS = 1.0
MOST_SECONDS = 3.0
"""Further deaths of a fault are told together: when there were none for a second, or after three."""
NOTES = {"monthly_report": "a bug: a retry fails again"}

Letter = tuple[str, str]
"""Queue and task id."""


@dataclass
class Batch:
    """Letters that one person retried at once."""

    by: str
    pending: set[Letter] = field(default_factory=set)
    letters: int = 0
    completed: int = 0
    failed: int = 0
    other: int = 0

    @property
    def fact(self) -> Retried:
        return Retried(self.by, self.letters, self.completed, self.failed, self.other)


@dataclass
class More:
    """Deaths of a fault after the first one that was told."""

    newest: TaskSummary
    count: int
    first_at: float
    last_at: float

    def is_due(self, at_seconds: float) -> bool:
        return at_seconds - self.last_at >= QUIET_SECONDS or at_seconds - self.first_at >= MOST_SECONDS


class Watcher:
    def __init__(self, inspector: Inspector, notes: Mapping[str, str] = NOTES) -> None:
        self._inspector = inspector
        self._notes = notes
        self._dead: dict[Letter, int | None] = {}
        self._batches: dict[tuple[str, object], Batch] = {}
        self._told_faults: set[str] = set()
        self._more: dict[str, More] = {}
        self._purged: set[Letter] = set()
        self.retried = 0
        self.retried_completed = 0

    def look(self, at_seconds: float, *, tells_all: bool = False) -> list[Fact]:
        """What has happened since the last look. `tells_all`: deaths that would be told together later on, too."""
        rows = {(row.queue, row.id): row for row in self._inspector.letters(None, limit=PAGE).rows}
        found: list[Fact] = list(self._gone(rows))
        found += self._settled()
        returned = {letter for batch in self._batches.values() for letter in batch.pending}
        for letter, row in reversed(rows.items()):
            if letter not in self._dead and letter not in returned and letter not in self._purged:
                found += self._died(row, at_seconds)
            self._purged.discard(letter)  # if it was, it has been restored
            self._dead[letter] = row.at
        found += self._further(at_seconds if not tells_all else float("inf"))
        return found

    def _died(self, row: TaskSummary, at_seconds: float) -> Iterable[Fact]:
        fault = row.fingerprint or f"{row.name} {row.error}"
        if fault not in self._told_faults:
            self._told_faults.add(fault)
            yield Died(row.name, row.queue, row.id, row.error, self._notes.get(row.name, ""))
            return
        before = self._more.get(fault, More(row, 0, at_seconds, at_seconds))
        self._more[fault] = More(row, before.count + 1, before.first_at, at_seconds)

    def _further(self, at_seconds: float) -> Iterable[Fact]:
        for fault, more in list(self._more.items()):
            if more.is_due(at_seconds):
                del self._more[fault]
                row = more.newest
                yield Died(row.name, row.queue, row.id, row.error, self._notes.get(row.name, ""), more=more.count)

    def _gone(self, rows: Mapping[Letter, TaskSummary]) -> Iterable[Fact]:
        """Letters that are no longer what they were: retried or purged. One that is only too old for the page stays."""
        purged: dict[str, int] = {}
        for letter, died_at in list(self._dead.items()):
            if letter in rows and rows[letter].at == died_at:
                continue
            task = self._find(letter)
            if task is not None and task.state is State.DEAD and task.at == died_at:
                continue
            del self._dead[letter]
            if task is not None and task.state is State.TRASHED:
                purged[task.trashed_by] = purged.get(task.trashed_by, 0) + 1
                self._purged.add(letter)
            elif task is not None:
                self._note_retry(letter, task)
        return [Purged(by, letters) for by, letters in purged.items()]

    def _note_retry(self, letter: Letter, task: TaskDetail) -> None:
        entry = next((entry for entry in reversed(task.history) if entry.kind == "requeued"), None)
        if entry is None:
            return
        by = str(entry.facts.get("by") or "")
        batch = self._batches.setdefault((by, entry.facts.get("operation") or entry.at), Batch(by))
        batch.pending.add(letter)
        batch.letters += 1
        self.retried += 1

    def _settled(self) -> Iterable[Fact]:
        for key, batch in list(self._batches.items()):
            for letter in list(batch.pending):
                task = self._find(letter)
                if task is None or task.state in (State.TRASHED, State.CANCELLED, State.EXPIRED, State.DISCARDED):
                    batch.other += 1
                elif task.state is State.COMPLETED:
                    batch.completed += 1
                    self.retried_completed += 1
                elif task.state is State.DEAD:
                    batch.failed += 1
                    self._dead[letter] = task.at
                else:
                    continue
                batch.pending.discard(letter)
            if not batch.pending:
                del self._batches[key]
                yield batch.fact

    def _find(self, letter: Letter) -> TaskDetail | None:
        try:
            return self._inspector.task(*letter)
        except UnknownTask:
            return None
