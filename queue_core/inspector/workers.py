"""Workers, by their heartbeats and their own descriptions; of one that was not heard since, nothing is read again."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from queue_core import decoding, keys
from queue_core.inspector.kept import Kept
from queue_core.inspector.reader import Reader
from queue_core.protocol import Argument
from queue_core.snapshot import WorkerSnapshot

MAX_WORKERS = 1_000
WORKER_MS = 3_600_000
"""A worker without a heartbeat for so long is not shown any more."""


@dataclass(frozen=True, slots=True)
class Heard:
    """Worker id → last heartbeat, last heard first; and those of them that have said nothing since they were read."""

    beats: Mapping[bytes, int]
    known: Mapping[bytes, WorkerSnapshot]

    @property
    def news(self) -> list[bytes]:
        return [worker_id for worker_id in self.beats if worker_id not in self.known]


class Workers:
    """A worker writes its record before the time of its heartbeat (`worker.heartbeat`): while that stays, so does what
    was read after it."""

    def __init__(self, reader: Reader, clock: Callable[[], float] = time.monotonic) -> None:
        self._reader = reader
        self.kept: Kept[WorkerSnapshot] = Kept(clock)

    def heard_of(self) -> tuple[int, tuple[WorkerSnapshot, ...]]:
        """The server's time, and those heard of within the last hour, last heard first. Two round trips at most."""
        moment, beats = self._reader.client.read(("TIME",), self.heartbeats())
        now_ms = self._reader.now_ms(moment)
        heard = self.seen_in(beats, now_ms)
        answers = self._reader.client.read(*self.records(heard)) if heard.news else []
        return now_ms, self.described(heard, answers)

    def heartbeats(self) -> Sequence[Argument]:
        """The command whose answer `seen_in` reads."""
        return "ZRANGE", keys.workers(self._reader.client.namespace), 0, MAX_WORKERS - 1, "REV", "WITHSCORES"

    def seen_in(self, answer: Any, now_ms: int) -> Heard:
        rows = self._reader.checked(answer, keys.workers(self._reader.client.namespace))
        seen = {member: decoding.moment(score) or 0 for member, score in rows}
        beats = {worker_id: at for worker_id, at in seen.items() if at > now_ms - WORKER_MS}
        found = {worker_id: self.kept.get(decoding.worker_name(worker_id), at) for worker_id, at in beats.items()}
        return Heard(beats, {worker_id: worker for worker_id, worker in found.items() if worker})

    def records(self, heard: Heard) -> list[Sequence[Argument]]:
        """The command whose answer `described` reads, where there is anything to be read: one key for each."""
        names = [keys.worker(self._reader.client.namespace, decoding.text(worker_id)) for worker_id in heard.news]
        return [("MGET", *names)] if names else []

    def described(self, heard: Heard, answers: Sequence[Any]) -> tuple[WorkerSnapshot, ...]:
        """`answers`: to the commands of `records`. What cannot be read is looked at again each time."""
        told = answers[0] if answers and isinstance(answers[0], list) else []
        found = dict(heard.known)
        for worker_id, record in zip(heard.news, [*told, *[None] * len(heard.news)], strict=False):
            at = heard.beats[worker_id]
            worker = decoding.worker(worker_id, at, record)
            found[worker_id] = self.kept.put(worker.id, None if worker.state == "unreadable" else at, worker)
        self.kept.keep_only({worker.id for worker in found.values()})
        return tuple(found[worker_id] for worker_id in heard.beats)
