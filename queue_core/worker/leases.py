"""The lease table: which tasks a process holds, in memory that its supervisor reads.

The process writes (but for that a task was asked to stop), the supervisor reads: to extend the leases whatever the
process is busy with, and to know exactly what a dead one held. A slot is valid while its state is not FREE; the state
is written last when a slot is filled and first when it is emptied, so a process that dies between leaves no
half-written task. Behind the slots stands, for each queue, the number of the last claim that was sent: sent again, it
tells which tasks were on their way to the table.
"""

from __future__ import annotations

import mmap
import os
import struct
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

FREE, HELD, STARTED = 0, 1, 2

_HEADER = struct.Struct("<QQQQ")
"""completed, failed, process state and trouble (below)."""
_SLOT = struct.Struct("<BBBBxxxxQQQ128s128s")
"""state, queue index, length of id, length of name; fence; claimed or started at, Unix ms of this host; the fence again
once the supervisor has heard that the task was asked to stop (so that no later task of the slot is meant)."""
_SINCE_AT, _CANCELLED_AT = 16, 24
_HEADER_SIZE = 64
_NUMBER = struct.Struct("<Q")

STARTING, RUNNING, QUIET, STOPPING = 0, 1, 2, 3
NO_TROUBLE, AWAY, REFUSED = 0, 1, 2
"""AWAY: the server does not answer; REFUSED: it gives out nothing of any queue, for their data is damaged, say."""


@dataclass(frozen=True, slots=True)
class HeldTask:
    """What a slot says. `since_ms`: started at, by this host's clock, where `is_started`; else claimed at."""

    queue_index: int
    id: str
    name: str
    fence: int
    is_started: bool
    since_ms: int


class LeaseTable:
    """A table of `size` slots in memory without a name, mapped by both sides: it is gone when both are."""

    def __init__(self, fd: int, size: int, queues: int = 1) -> None:
        self.fd = fd
        self.size = size
        self.queues = queues
        self._memory = mmap.mmap(fd, _length(size, queues))
        self._free = list(range(size - 1, -1, -1))

    @classmethod
    def create(cls, size: int, queues: int = 1) -> LeaseTable:
        fd = _nameless_file()
        os.ftruncate(fd, _length(size, queues))
        return cls(fd, size, queues)

    def close(self) -> None:
        self._memory.close()
        os.close(self.fd)

    # The process's side.

    @property
    def free(self) -> int:
        return len(self._free)

    def hold(self, queue_index: int, task_id: str, name: str, fence: int, now_ms: int) -> int:
        """Fill a slot with a task that was claimed and has not begun; returns the slot."""
        slot = self._free.pop()
        at = _HEADER_SIZE + slot * _SLOT.size
        id_bytes, name_bytes = task_id.encode(), name.encode()[:128]
        _SLOT.pack_into(
            self._memory, at, FREE, queue_index, len(id_bytes), len(name_bytes), fence, now_ms, 0, id_bytes, name_bytes
        )
        self._memory[at] = HELD
        return slot

    def start(self, slot: int, now_ms: int) -> None:
        at = _HEADER_SIZE + slot * _SLOT.size
        _NUMBER.pack_into(self._memory, at + _SINCE_AT, now_ms)
        self._memory[at] = STARTED

    def is_cancelled(self, slot: int, fence: int) -> bool:
        """Whether the task of this fence in this slot was asked to stop."""
        return bool(_NUMBER.unpack_from(self._memory, _HEADER_SIZE + slot * _SLOT.size + _CANCELLED_AT)[0] == fence)

    def drop(self, slot: int) -> None:
        """Empty a slot: the task was settled, or is somebody else's."""
        self._memory[_HEADER_SIZE + slot * _SLOT.size] = FREE
        self._free.append(slot)

    def note_claim(self, queue_index: int, sequence: int) -> None:
        """A claim with this number in its session is about to be sent."""
        _NUMBER.pack_into(self._memory, self._claim_at(queue_index), sequence)

    def publish(self, completed: int, failed: int, state: int, trouble: int) -> None:
        _HEADER.pack_into(self._memory, 0, completed, failed, state, trouble)

    # The supervisor's side.

    def read_header(self) -> tuple[int, int, int, int]:
        completed, failed, state, trouble = _HEADER.unpack_from(self._memory, 0)
        return completed, failed, state, trouble

    def read_claims(self) -> list[int]:
        """For each queue the number of the last claim that was sent; 0: none was."""
        return [_NUMBER.unpack_from(self._memory, self._claim_at(index))[0] for index in range(self.queues)]

    def cancel(self, fences: Mapping[str, int]) -> bool:
        """Tell the process that these tasks (id → fence) were asked to stop. Whether any had not been told yet."""
        is_news = False
        for slot in range(self.size):
            at = _HEADER_SIZE + slot * _SLOT.size
            state, _, id_length, _, fence, _, told, id_bytes, _ = _SLOT.unpack_from(self._memory, at)
            if state != FREE and told != fence and fences.get(id_bytes[:id_length].decode("ascii", "replace")) == fence:
                _NUMBER.pack_into(self._memory, at + _CANCELLED_AT, fence)
                is_news = True
        return is_news

    def _claim_at(self, queue_index: int) -> int:
        return _length(self.size, queue_index)

    def read(self) -> Iterator[HeldTask]:
        """The tasks that the process holds now. One that is being written meanwhile may be missing or torn: its fence
        then fits no lease, and nothing happens to it."""
        for slot in range(self.size):
            at = _HEADER_SIZE + slot * _SLOT.size
            if self._memory[at] == FREE:
                continue
            state, index, id_length, name_length, fence, since_ms, _, id_bytes, name_bytes = _SLOT.unpack_from(
                self._memory, at
            )
            if state == FREE:
                continue
            yield HeldTask(
                index,
                id_bytes[:id_length].decode("ascii", "replace"),
                name_bytes[:name_length].decode("ascii", "replace"),
                fence,
                state == STARTED,
                since_ms,
            )


def _length(size: int, queues: int) -> int:
    return _HEADER_SIZE + size * _SLOT.size + queues * _NUMBER.size


def _nameless_file() -> int:
    if hasattr(os, "memfd_create"):
        return os.memfd_create("taskyard-leases")
    fd, path = tempfile.mkstemp(prefix="taskyard-leases-")
    Path(path).unlink()
    return fd
