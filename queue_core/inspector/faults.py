"""All faults of a queue, or of several; those of a queue that has not changed since are not read again."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from queue_core import reading
from queue_core.errors import TaskyardError
from queue_core.inspector.kept import Kept
from queue_core.inspector.reader import Reader, value_of
from queue_core.snapshot import Fault

MAX_FAULTS = 2_000
"""Of one queue: more than it keeps."""


class Faults:
    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self.kept: Kept[tuple[Fault, ...]] = Kept()

    def of(self, queue: str) -> tuple[Fault, ...]:
        return value_of(self._read([self._reader.client.queue(queue).queue])[0])

    def of_all(self, names: Sequence[str]) -> tuple[Fault, ...]:
        """Last seen first. A queue that cannot be read has none."""
        found = self._read(names)
        return last_seen_first(fault for faults in found if not isinstance(faults, TaskyardError) for fault in faults)

    def _read(self, names: Sequence[str]) -> list[tuple[Fault, ...] | TaskyardError]:
        client = self._reader.client
        known = [name for name in names if name in self.kept]
        marks = client.read(*(reading.changes_of(client.queue(name)) for name in known)) if known else []
        found: dict[str, tuple[Fault, ...] | TaskyardError] = {}
        for name, mark in zip(known, marks, strict=True):
            faults = self.kept.get(name, reading.changes_in(mark))
            if faults is not None:
                found[name] = faults
        changed = [name for name in names if name not in found]
        answers, _ = self._reader.ask([reading.list_faults(client.queue(name), MAX_FAULTS) for name in changed])
        for name, listed in zip(changed, answers, strict=True):
            if isinstance(listed, TaskyardError):
                found[name] = listed
            else:
                found[name] = self.kept.put(name, listed.changes, listed.faults)
        return [found[name] for name in names]


def last_seen_first(faults: Iterable[Fault]) -> tuple[Fault, ...]:
    return tuple(sorted(faults, key=lambda fault: (-fault.last_seen_at, fault.queue, fault.fingerprint)))
