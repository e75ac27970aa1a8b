"""What schedules do, in plain Python: what stands of one after each thing that is done with it, which occurrences are
whose to enqueue, and what the queue notes of them, on top of that of one queue (`model`).

A schedule here comes at all multiples of its period; times are ms by the server's clock.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace

from queue_core.protocol import EARLY, MADE, MET, NOTED, NewTask, Occurred, QueueDeleted
from tests.proof.limits import Refused
from tests.proof.model import Model
from tests.proof.places import MAX_CRASHES

MOST_MISSED = 4
TOLERANCE_MS = 60_000
TOO_FAR_MS = 3_600_000


@dataclass(frozen=True)
class Said:
    """What somebody wants a schedule to do."""

    period_ms: int
    missed: str = "one"
    overlap: bool = True
    priority: int = 0


@dataclass(frozen=True)
class Entry:
    """What stands of a schedule. `since`: what came until then is nobody's; `declared`: what its code has said."""

    said: Said
    since: int
    app: str = ""
    declared: Said | None = None
    is_undeclared: bool = False
    is_paused: bool = False

    # What is done with one: as it stands then.

    def declare(self, said: Said, app: str, now: int) -> Entry:
        """An operator's pause stays, and what an operator wants until the code says something else than before."""
        if (self.declared, self.app) == (said, app):
            return replace(self, is_undeclared=False)
        return replace(self.change(said, now), app=app, declared=said, is_undeclared=False)

    def undeclare(self) -> Entry:
        return replace(self, is_undeclared=True)

    def change(self, said: Said, now: int) -> Entry:
        """Other times begin now."""
        return replace(self, said=said, since=self.since if said.period_ms == self.said.period_ms else now)

    def pause(self) -> Entry:
        return replace(self, is_paused=True)

    def resume(self, now: int) -> Entry:
        return replace(self, is_paused=False, since=now)

    # Its occurrences.

    def latest(self, until: int, most: int = 1) -> list[int]:
        """The last ones that came, oldest first."""
        period = self.said.period_ms
        last = until // period * period
        return [at for at in range(last - (most - 1) * period, last + 1, period) if at > self.since]

    def wanted(self, now: int) -> list[int]:
        """What its policy wants to be enqueued at a time, where nothing was seen to."""
        if self.is_paused:
            return []
        found = self.latest(now, MOST_MISSED if self.said.missed == "all" else 1)
        return [at for at in found if self.said.missed != "skip" or now - at <= TOLERANCE_MS]

    def first_behind(self, at: int) -> int:
        return (at // self.said.period_ms + 1) * self.said.period_ms


class SchedulesModel(Model):
    """A queue into which schedules enqueue, and all that is stored of these."""

    def __init__(self, now: int) -> None:
        super().__init__(now)
        self.directory: dict[str, bytes] = {}
        """What is stored of each schedule."""
        self.entries: dict[bytes, Entry] = {}
        """What that says."""
        self.notes: dict[str, tuple[int, str, str]] = {}
        """Schedule → its last occurrence, the id of the task that was made for it or met, and which of these."""
        self.seen_to: dict[str, set[int]] = {}
        """Schedule → occurrences for which a task was made or met, since its note was dropped."""
        self.passed_over: dict[str, int] = {}
        """Schedule → up to when occurrences may have been left out: by a policy that makes up for the latest only, or
        where the schedule was another then for whoever sent what was noted."""

    def occur(self, schedule: str, occurrence: int, new: NewTask, name: str) -> Occurred | Refused:
        """An occurrence makes its task once, and none before its time."""
        note = self.note_of(schedule)
        if note and occurrence <= note[0]:
            return Occurred(self.now, NOTED, *note[:2])
        if occurrence > self.now:
            return Occurred(self.now, EARLY, *(note or (None, ""))[:2])
        met = self.enqueue([new], [name], [MAX_CRASHES])
        if isinstance(met, Refused):
            return met
        holder = met.get(new.id, "").partition(" ")[2]
        self.notes[schedule] = occurrence, holder or new.id, MET if holder else MADE
        self.seen_to.setdefault(schedule, set()).add(occurrence)
        return Occurred(self.now, self.notes[schedule][2], *self.notes[schedule][:2])

    def delete_queue(self) -> QueueDeleted:
        """All of it is gone, also what was noted; schedules stay. Not while tasks run."""
        counts = Counter(self.state_of(task_id) for task_id in self.tasks)
        if self.leases:
            return QueueDeleted(self.now, False, len(self.tasks), dict(counts))
        records, directory, entries = self.records, self.directory, self.entries
        self.__init__(self.now)  # type: ignore[misc]
        self.records, self.directory, self.entries = records, directory, entries
        return QueueDeleted(self.now, True, counts.total(), dict(counts))

    def note_of(self, schedule: str) -> tuple[int, str, str] | None:
        """None, where the server's clock has gone back a long way since."""
        note = self.notes.get(schedule)
        return note if note and note[0] <= self.now + TOO_FAR_MS else None

    def drop_note(self, schedule: str) -> None:
        self.notes.pop(schedule, None)
        self.seen_to.pop(schedule, None)
        self.passed_over.pop(schedule, None)

    def set_schedule(self, name: str, seen: bytes, wanted: bytes) -> bool:
        """It is stored where it still is as it was seen."""
        found = self.directory.get(name, b"")
        if found not in (seen, wanted):
            return False
        if found != wanted and name in self.notes:
            self.pass_over(name, self.notes[name][0])
        self.directory[name] = wanted
        if not wanted:
            del self.directory[name]
        return True

    def pass_over(self, schedule: str, until: int) -> None:
        self.passed_over[schedule] = max(self.passed_over.get(schedule, 0), until)

    def stands(self, name: str) -> Entry | None:
        data = self.directory.get(name)
        return self.entries[data] if data else None

    def overdue_since(self, name: str) -> int | None:
        """The first occurrence that was enqueued neither by itself nor by a later one."""
        entry, note = self.stands(name), self.note_of(name)
        if entry is None or entry.is_paused:
            return None
        first = entry.first_behind(max(entry.since, note[0] if note else 0))
        return first if first <= self.now else None
