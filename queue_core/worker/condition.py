"""What keeps a process from working, by the signs that it gives."""

from __future__ import annotations

import time

from queue_core.worker import leases
from queue_core.worker.leases import LeaseTable

SILENT_MS = 5_000
"""A process gives a sign every second."""
_TROUBLES = {leases.AWAY: "reconnecting", leases.REFUSED: "refused"}


def trouble_of(table: LeaseTable, *, is_computing: bool, now_ms: int | None = None) -> str:
    """`reconnecting`: it hears nothing of the server. `refused`: the server gives out nothing of any of its queues.
    `stuck`: nothing moves in it. Else "".

    `is_computing`: it runs a handler, which may hold the interpreter for as long as it likes. `now_ms`: on this host's
    monotonic clock.
    """
    now_ms = time.monotonic_ns() // 1_000_000 if now_ms is None else now_ms
    trouble = table.read_header()[3]
    turned_at_ms, heard_at_ms = table.read_signs()
    if turned_at_ms and now_ms - turned_at_ms > SILENT_MS:  # 0: it has not begun yet
        return "" if is_computing else "stuck"
    if trouble in _TROUBLES:
        return _TROUBLES[trouble]
    return "reconnecting" if turned_at_ms and turned_at_ms - heard_at_ms > SILENT_MS else ""
