"""The lease table: which tasks a process holds, in memory that its supervisor reads.

The process writes (but for that a task was asked to stop, or its lease is lost), the supervisor reads: to extend the
leases whatever the process is busy with, to know which handlers have outstayed their hard timeout, and exactly what a
dead process held. A slot is valid while its state is not FREE; the state
is written last when a slot is filled and first when it is emptied, so a process that dies between leaves no
half-written task. Behind the slots stands, for each queue, the number of the last claim that was sent: sent again, it
tells which tasks were on their way to the table. Behind these is room for what the process leaves to be settled when it
is ended because of a hard timeout.
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
_SLOT = struct.Struct("<BBBBxxxxQQQQQ128s128s")
"""state, queue index, length of id, length of name; fence; claimed or started at, and when its hard timeout is over (0:
never), ms by the monotonic clock of this host; the fence again once the supervisor has heard that the task was asked to
stop, and once it has heard that the lease is lost (so that no later task of the slot is meant)."""
_SINCE_AT, _CANCELLED_AT, _LOST_AT = 16, 32, 40
_HEADER_SIZE = 64
_SIGNS = struct.Struct("<QQ")
"""When the process's event loop last turned, and when the server last answered; ms on this host's monotonic clock."""
_SIGNS_AT = 48
_NUMBER = struct.Struct("<Q")
_TIMES = struct.Struct("<QQ")
MAX_WILL = 256 * 1024
"""Bytes of what a process leaves to be settled."""

STARTING, RUNNING, QUIET, STOPPING, IDLE = 0, 1, 2, 3, 4
"""IDLE: quiet, and nothing is under way, nor will be."""
NO_TROUBLE, AWAY, REFUSED = 0, 1, 2
"""AWAY: the server does not answer; REFUSED: it gives out nothing of any queue, for their data is damaged, say."""


@dataclass(frozen=True, slots=True)
class HeldTask:
    """What a slot says. `since_ms`: started at, where `is_started`; else claimed at. `deadline_ms`: when its hard
    timeout is over; 0: never. Both are by this host's monotonic clock."""

    queue_index: int
    id: str
    name: str
    fence: int
    is_started: bool
    since_ms: int
    deadline_ms: int = 0

    def is_overdue(self, now_ms: int) -> bool:
        return self.is_started and 0 < self.deadline_ms <= now_ms


class LeaseTable:
    """A table of `size` slots in memory without a name, mapped by both sides: it is gone when both are."""

    def __init__(self, fd: int, size: int, queues: int = 1) -> None:
        self.fd = fd
        self.size = size
        self.queues = queues
        self._memory = mmap.mmap(fd, _length(size, queues) + _NUMBER.size + MAX_WILL)
        self._free = list(range(size - 1, -1, -1))

    @classmethod
    def create(cls, size: int, queues: int = 1) -> LeaseTable:
        fd = _nameless_file()
        os.ftruncate(fd, _length(size, queues) + _NUMBER.size + MAX_WILL)
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
            self._memory, at, FREE, queue_index, len(id_bytes), len(name_bytes), fence, now_ms, 0, 0, 0, id_bytes,
            name_bytes,
        )  # fmt: skip
        self._memory[at] = HELD
        return slot

    def start(self, slot: int, now_ms: int, deadline_ms: int = 0) -> None:
        at = _HEADER_SIZE + slot * _SLOT.size
        _TIMES.pack_into(self._memory, at + _SINCE_AT, now_ms, deadline_ms)
        self._memory[at] = STARTED

    def is_cancelled(self, slot: int, fence: int) -> bool:
        """Whether the task of this fence in this slot was asked to stop."""
        return self._is_told(slot, fence, _CANCELLED_AT)

    def is_lost(self, slot: int, fence: int) -> bool:
        """Whether the lease of the task of this fence in this slot is lost."""
        return self._is_told(slot, fence, _LOST_AT)

    def drop(self, slot: int) -> None:
        """Empty a slot: the task was settled, or is somebody else's."""
        self._memory[_HEADER_SIZE + slot * _SLOT.size] = FREE
        self._free.append(slot)

    def note_claim(self, queue_index: int, sequence: int) -> None:
        """A claim with this number in its session is about to be sent."""
        _NUMBER.pack_into(self._memory, self._claim_at(queue_index), sequence)

    def leave(self, will: bytes) -> None:
        """What is to be settled by others when the process has been ended; at most MAX_WILL bytes."""
        at = _length(self.size, self.queues)
        self._memory[at + _NUMBER.size : at + _NUMBER.size + len(will)] = will
        _NUMBER.pack_into(self._memory, at, len(will))

    def publish(self, completed: int, failed: int, state: int, trouble: int) -> None:
        _HEADER.pack_into(self._memory, 0, completed, failed, state, trouble)

    def show_signs(self, turned_at_ms: int, heard_at_ms: int) -> None:
        _SIGNS.pack_into(self._memory, _SIGNS_AT, turned_at_ms, heard_at_ms)

    # The supervisor's side.

    def read_signs(self) -> tuple[int, int]:
        turned_at_ms, heard_at_ms = _SIGNS.unpack_from(self._memory, _SIGNS_AT)
        return turned_at_ms, heard_at_ms

    def read_header(self) -> tuple[int, int, int, int]:
        completed, failed, state, trouble = _HEADER.unpack_from(self._memory, 0)
        return completed, failed, state, trouble

    def read_claims(self) -> list[int]:
        """For each queue the number of the last claim that was sent; 0: none was."""
        return [_NUMBER.unpack_from(self._memory, self._claim_at(index))[0] for index in range(self.queues)]

    def cancel(self, fences: Mapping[str, int]) -> bool:
        """Tell the process that these tasks (id → fence) were asked to stop. Whether any had not been told yet."""
        return self._tell(fences, _CANCELLED_AT)

    def lose(self, fences: Mapping[str, int]) -> bool:
        """Tell the process that the leases of these tasks (id → fence) are lost. Whether any had not been told yet."""
        return self._tell(fences, _LOST_AT)

    def read_will(self) -> bytes:
        """What the process has left to be settled; empty: nothing."""
        at = _length(self.size, self.queues)
        (length,) = _NUMBER.unpack_from(self._memory, at)
        return self._memory[at + _NUMBER.size : at + _NUMBER.size + min(length, MAX_WILL)]

    def _is_told(self, slot: int, fence: int, place: int) -> bool:
        return bool(_NUMBER.unpack_from(self._memory, _HEADER_SIZE + slot * _SLOT.size + place)[0] == fence)

    def _tell(self, fences: Mapping[str, int], place: int) -> bool:
        is_news = False
        for slot in range(self.size):
            at = _HEADER_SIZE + slot * _SLOT.size
            if self._memory[at] == FREE:
                continue
            (told,) = _NUMBER.unpack_from(self._memory, at + place)
            _, _, id_length, _, fence, _, _, _, _, id_bytes, _ = _SLOT.unpack_from(self._memory, at)
            if told != fence and fences.get(id_bytes[:id_length].decode("ascii", "replace")) == fence:
                _NUMBER.pack_into(self._memory, at + place, fence)
                is_news = True
        return is_news

    def _claim_at(self, queue_index: int) -> int:
        return _length(self.size, queue_index)

    def read(self) -> Iterator[HeldTask]:
        """The tasks that the process holds now. One that is being written meanwhile may be missing or torn: its fence
        then fits no lease, and nothing happens to it."""
        states = self._memory[_HEADER_SIZE : _HEADER_SIZE + self.size * _SLOT.size : _SLOT.size]
        if not any(states):
            return
        for slot in range(self.size):
            at = _HEADER_SIZE + slot * _SLOT.size
            if self._memory[at] == FREE:
                continue
            state, index, id_length, name_length, fence, since_ms, deadline_ms, _, _, id_bytes, name_bytes = (
                _SLOT.unpack_from(self._memory, at)
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
                deadline_ms,
            )


def _length(size: int, queues: int) -> int:
    return _HEADER_SIZE + size * _SLOT.size + queues * _NUMBER.size


def _nameless_file() -> int:
    if hasattr(os, "memfd_create"):
        return os.memfd_create("taskyard-leases")
    fd, path = tempfile.mkstemp(prefix="taskyard-leases-")
    Path(path).unlink()
    return fd
