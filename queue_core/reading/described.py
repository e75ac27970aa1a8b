"""What is known of a task, wherever it is, as summarize.lua gives it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from queue_core import decoding, scripts, settings
from queue_core.keys import QueueKeys
from queue_core.protocol import Call
from queue_core.snapshot import Progress, State

MAX_SUMMARY_BYTES = 1_024
"""Of an envelope: its first line and the beginning of its payload."""

END_BYTES = 256
"""Elements at each end of `ready` that are searched for the ready time of one task."""


@dataclass(frozen=True, slots=True)
class Claim:
    """What `running` says: `fence claimed-ms digits worker`, and ` {progress}` where there is any."""

    at: int | None = None
    worker: str = ""
    progress: Progress | None = None

    @classmethod
    def parse(cls, claim: bytes) -> Claim:
        parts = claim.split(b" ", 4)
        if len(parts) < 4:
            return cls()
        said = decoding.progress(parts[4]) if len(parts) == 5 else None
        return cls(decoding.moment(parts[1]), decoding.line(decoding.text(parts[3]), 128), said)


@dataclass(frozen=True, slots=True)
class Described:
    """A task as summarize.lua gives it. `place`: a place or an end."""

    id: bytes
    place: str
    score: bytes
    member: bytes
    about: bytes
    envelope: bytes
    envelope_bytes: int
    """-1: there is no envelope."""
    first_line: bytes
    entries: bytes

    @property
    def state(self) -> State:
        """A place that nobody knows can only come from a record."""
        try:
            return State.READY if self.place == "prioritized" else State(self.place)
        except ValueError:
            return State.DISCARDED

    @property
    def lane(self) -> str:
        lane, slash, _ = self.member.rpartition(b"/")
        return decoding.line(decoding.text(lane), 140) if slash and self.place == "held" else ""

    @property
    def at(self) -> int | None:
        """The state's own time; of a ready task in the list only where its element was found."""
        task_id = decoding.text(self.id)
        if self.place == "prioritized":
            return decoding.ready_at(task_id, b"", self.score)
        if self.place == "ready":
            return decoding.ready_at(task_id, self.about[1:], b"") if self.about else None
        if self.place == "running":
            return Claim.parse(self.about).at
        return None if self.place == "held" else decoding.moment(self.score)

    @property
    def worker(self) -> str:
        """Who runs it, or who had it when it ended."""
        if self.place == "running":
            return Claim.parse(self.about).worker
        return decoding.line(decoding.text(self.about), 128) if self.is_ended else ""

    @property
    def progress(self) -> Progress | None:
        return Claim.parse(self.about).progress if self.place == "running" else None

    @property
    def is_ended(self) -> bool:
        return self.state in (State.COMPLETED, State.CANCELLED, State.EXPIRED, State.DISCARDED)

    @property
    def trashed(self) -> dict[str, Any]:
        return (decoding.json_object(self.about) or {}) if self.place == "trashed" else {}

    @property
    def trashed_from(self) -> str:
        place = decoding.string(self.trashed.get("from"), 40)
        return State.READY.value if place == "prioritized" else place


def describe(
    queue: QueueKeys, ids: Sequence[bytes | str], *, is_whole: bool = False, finds_ready_time: bool = False
) -> Call[dict[bytes, Described]]:
    """What is known of tasks, wherever they are, those that ended with a record included; unknown ones are missing.

    `is_whole`: all of the envelope and the history instead of their bounded ends. Source: summarize.lua.
    """
    records = [queue.record(task_id if isinstance(task_id, str) else decoding.text(task_id)) for task_id in ids]
    max_bytes = 2 * settings.MAX_PAYLOAD_BYTES if is_whole else MAX_SUMMARY_BYTES
    arguments = (max_bytes, "1" if is_whole else "", END_BYTES if finds_ready_time else 0, *ids)

    def read(answer: list[Any]) -> dict[bytes, Described]:
        found = (Described(parts[0], decoding.text(parts[1]), *parts[2:]) for parts in answer[1:])
        return {task.id: task for task in found}

    return Call(scripts.load("summarize"), queue, arguments, read, records, has_session=False)
