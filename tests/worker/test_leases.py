"""The lease table, as the process writes it and the supervisor reads it."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from queue_core.worker import leases
from queue_core.worker.leases import HeldTask, LeaseTable


@pytest.fixture
def table() -> Iterator[LeaseTable]:
    table = LeaseTable.create(4)
    yield table
    table.close()


def test_held_task_is_read_by_the_other_side(table: LeaseTable) -> None:
    table.hold(2, "task-1", "send", 1_763_770_000_000_001, 1_700_000_000_000)
    other_side = LeaseTable(os.dup(table.fd), 4)
    assert list(other_side.read()) == [HeldTask(2, "task-1", "send", 1_763_770_000_000_001, False, 1_700_000_000_000)]
    other_side.close()


def test_started_task_says_since_when(table: LeaseTable) -> None:
    slot = table.hold(0, "task-1", "send", 7, 1_000)
    table.start(slot, 2_000)
    assert list(table.read()) == [HeldTask(0, "task-1", "send", 7, True, 2_000)]


def test_dropped_task_is_not_read_and_its_slot_serves_again(table: LeaseTable) -> None:
    slots = [table.hold(0, f"task-{i}", "send", i, 0) for i in range(4)]
    assert table.free == 0
    table.drop(slots[1])
    assert [task.id for task in table.read()] == ["task-0", "task-2", "task-3"]
    assert table.hold(0, "task-4", "send", 4, 0) == slots[1]
    assert [task.id for task in table.read()] == ["task-0", "task-4", "task-2", "task-3"]


def test_slot_of_a_started_task_serves_again_as_not_started(table: LeaseTable) -> None:
    slot = table.hold(0, "old", "send", 1, 0)
    table.start(slot, 5)
    table.drop(slot)
    table.hold(0, "new", "send", 2, 9)
    assert list(table.read()) == [HeldTask(0, "new", "send", 2, False, 9)]


@pytest.mark.parametrize("length", [1, 22, 127, 128])
def test_longest_ids_and_names_fit(table: LeaseTable, length: int) -> None:
    table.hold(199, "i" * length, "n" * length, (1 << 53) - 1, 0)
    (task,) = table.read()
    assert (task.queue_index, task.id, task.name, task.fence) == (199, "i" * length, "n" * length, (1 << 53) - 1)


def test_slot_that_is_being_filled_is_not_read(table: LeaseTable) -> None:
    """The state is written last: a process that dies in between leaves nothing half-written."""
    slot = table.hold(0, "task-1", "send", 7, 0)
    table.drop(slot)  # its bytes are still there, its state is free
    assert list(table.read()) == []


def test_header_tells_counters_state_and_trouble(table: LeaseTable) -> None:
    assert table.read_header() == (0, 0, leases.STARTING, leases.NO_TROUBLE)
    table.publish(1 << 40, 3, leases.QUIET, leases.REFUSED)
    assert table.read_header() == (1 << 40, 3, leases.QUIET, leases.REFUSED)


def test_number_of_the_last_claim_of_each_queue_stands_behind_the_slots() -> None:
    table = LeaseTable.create(2, queues=3)
    assert table.read_claims() == [0, 0, 0]
    table.note_claim(0, 7)
    table.note_claim(2, 1 << 40)
    for i in range(2):
        table.hold(0, "i" * 128, "n" * 128, i, 0)
    assert table.read_claims() == [7, 0, 1 << 40]
    assert len(list(table.read())) == 2
    table.close()


def descriptors() -> set[str]:
    return {entry.name for entry in Path("/proc/self/fd").iterdir()}


def test_table_leaves_no_file_and_no_descriptor() -> None:
    before = descriptors()
    table = LeaseTable.create(100)
    assert str(Path(f"/proc/self/fd/{table.fd}").readlink()).startswith("/memfd:")
    table.close()
    assert descriptors() == before


def _write_for_ever(fd: int, size: int) -> None:
    table = LeaseTable(fd, size)
    number = 0
    while True:
        number += 1
        slot = table.hold(number % 200, f"id-{number}", f"name-{number}", number, number)
        table.start(slot, number)
        table.drop(slot)


def test_reading_while_a_process_writes_gives_whole_tasks_or_ones_whose_fence_fits_no_lease() -> None:
    table = LeaseTable.create(1)
    writer = multiprocessing.get_context("fork").Process(target=_write_for_ever, args=(table.fd, 1), daemon=True)
    writer.start()
    read, whole = 0, 0
    while read < 3_000:
        for task in table.read():
            read += 1
            whole += task.id == f"id-{task.fence}"
    writer.kill()
    writer.join()
    table.close()
    assert whole > 0.5 * read


def test_task_that_is_to_stop_is_told_by_its_fence_and_once(table: LeaseTable) -> None:
    first, second = table.hold(0, "task-1", "send", 7, 0), table.hold(0, "task-2", "send", 7, 0)
    assert not table.is_cancelled(first, 7)
    assert table.cancel({"task-1": 7, "gone": 7})
    assert (table.is_cancelled(first, 7), table.is_cancelled(second, 7)) == (True, False)
    assert not table.cancel({"task-1": 7, "task-2": 6})
    table.start(first, 5)
    assert table.is_cancelled(first, 7)


def test_later_task_of_the_same_slot_is_not_meant(table: LeaseTable) -> None:
    slot = table.hold(0, "task-1", "send", 7, 0)
    table.cancel({"task-1": 7})
    table.drop(slot)
    assert not table.cancel({"task-1": 7})
    assert table.hold(0, "task-1", "send", 8, 0) == slot
    assert not table.is_cancelled(slot, 8)


def test_lost_lease_is_told_beside_a_cancellation_and_neither_stands_for_the_other(table: LeaseTable) -> None:
    first, second = table.hold(0, "task-1", "send", 7, 0), table.hold(0, "task-2", "send", 8, 0)
    assert table.lose({"task-1": 7, "task-2": 7})
    assert not table.lose({"task-1": 7})
    assert table.cancel({"task-2": 8})
    assert (table.is_lost(first, 7), table.is_cancelled(first, 7)) == (True, False)
    assert (table.is_lost(second, 8), table.is_cancelled(second, 8)) == (False, True)
    table.drop(first)
    assert table.hold(0, "task-1", "send", 9, 0) == first
    assert not table.is_lost(first, 9)


def test_task_is_overdue_when_it_runs_and_its_hard_timeout_is_over(table: LeaseTable) -> None:
    slots = [table.hold(0, f"task-{i}", "send", i, 5) for i in range(3)]
    table.start(slots[0], 10, 30)
    table.start(slots[1], 10)
    assert [task.is_overdue(30) for task in table.read()] == [True, False, False]
    assert [task.is_overdue(29) for task in table.read()] == [False, False, False]
    table.drop(slots[0])
    table.start(table.hold(0, "later", "send", 4, 6), 7)
    assert not any(task.is_overdue(1 << 60) for task in table.read())


def test_will_is_read_by_the_other_side_and_is_empty_where_none_was_left(table: LeaseTable) -> None:
    assert table.read_will() == b""
    for i in range(4):
        table.hold(0, "i" * 128, "n" * 128, i, 0)
    table.note_claim(0, 7)
    table.leave(b"w" * leases.MAX_WILL)
    table.leave(b"[]")
    assert table.read_will() == b"[]"
    assert (len(list(table.read())), table.read_claims()) == (4, [7])
