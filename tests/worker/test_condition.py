"""What a process's signs tell its supervisor."""

from __future__ import annotations

import pytest

from queue_core.worker import leases
from queue_core.worker.condition import SILENT_MS, trouble_of
from queue_core.worker.leases import LeaseTable

NOW = 1_000_000
LATE = NOW - SILENT_MS - 1


@pytest.mark.parametrize(
    ("turned_at", "heard_at", "trouble", "is_computing", "told"),
    [
        (NOW, NOW, leases.NO_TROUBLE, False, ""),
        (NOW - SILENT_MS, NOW - SILENT_MS, leases.NO_TROUBLE, False, ""),
        (NOW, NOW, leases.AWAY, True, "reconnecting"),
        (NOW, NOW, leases.REFUSED, False, "refused"),
        (NOW, LATE, leases.NO_TROUBLE, True, "reconnecting"),
        (LATE, LATE, leases.NO_TROUBLE, False, "stuck"),
        (LATE, LATE, leases.AWAY, False, "stuck"),
        (LATE, LATE, leases.NO_TROUBLE, True, ""),  # a handler holds the interpreter
        (0, 0, leases.NO_TROUBLE, False, ""),  # it starts
    ],
)
def test_condition_of_a_process(turned_at: int, heard_at: int, trouble: int, is_computing: bool, told: str) -> None:
    table = LeaseTable.create(1)
    table.publish(7, 8, leases.RUNNING, trouble)
    table.show_signs(turned_at, heard_at)
    assert table.read_header() == (7, 8, leases.RUNNING, trouble)
    assert trouble_of(table, is_computing=is_computing, now_ms=NOW) == told
    table.close()
