"""What readers ask the server and how they read the answers: what `protocol` is to transitions. No I/O.

`queues`: a queue as a whole. `pages`: which tasks are in a place. `described`: what is known of tasks, of which `tasks`
makes what is shown. `turns`: when it is a ready task's turn.
"""

from __future__ import annotations

from queue_core.reading.described import Described, describe
from queue_core.reading.pages import (
    SORTED_STATES,
    Listed,
    Position,
    id_of,
    list_name,
    list_ready,
    list_running,
    list_sorted,
)
from queue_core.reading.queues import (
    FaultsListed,
    Outstayed,
    changes_in,
    changes_of,
    is_fingerprint,
    list_faults,
    list_outstayed,
    observe,
)
from queue_core.reading.tasks import detail, more_of, summary, traceback_of, tracebacks
from queue_core.reading.turns import ahead, line, next_token_at

__all__ = [
    "SORTED_STATES",
    "Described",
    "FaultsListed",
    "Listed",
    "Outstayed",
    "Position",
    "ahead",
    "changes_in",
    "changes_of",
    "describe",
    "detail",
    "id_of",
    "is_fingerprint",
    "line",
    "list_faults",
    "list_name",
    "list_outstayed",
    "list_ready",
    "list_running",
    "list_sorted",
    "more_of",
    "next_token_at",
    "observe",
    "summary",
    "traceback_of",
    "tracebacks",
]
