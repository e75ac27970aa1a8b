"""From bytes that may be anything to values that can be shown. Nothing here raises.

`values` are texts, numbers and times; over them a file for each file of `snapshot` that is made of such bytes.
"""

from __future__ import annotations

from queue_core.decoding.actions import audit_entry
from queue_core.decoding.faults import fault
from queue_core.decoding.operations import OUTCOMES, operation
from queue_core.decoding.overview import server, server_detail
from queue_core.decoding.queues import limits, pause
from queue_core.decoding.statistics import (
    attempts,
    attempts_of_names,
    figures,
    figures_by_name,
    figures_of_books,
    figures_of_names,
)
from queue_core.decoding.tasks import (
    counters,
    enqueued_at,
    error_of,
    fingerprint,
    history,
    priority_of,
    progress,
    ready_at,
    split_envelope,
    why_unreadable,
)
from queue_core.decoding.values import LARGEST_NUMBER, json_object, line, moment, number, shorten_payload, string, text
from queue_core.decoding.workers import worker, worker_command, worker_name

__all__ = [
    "LARGEST_NUMBER",
    "OUTCOMES",
    "attempts",
    "attempts_of_names",
    "audit_entry",
    "counters",
    "enqueued_at",
    "error_of",
    "fault",
    "figures",
    "figures_by_name",
    "figures_of_books",
    "figures_of_names",
    "fingerprint",
    "history",
    "json_object",
    "limits",
    "line",
    "moment",
    "number",
    "operation",
    "pause",
    "priority_of",
    "progress",
    "ready_at",
    "server",
    "server_detail",
    "shorten_payload",
    "split_envelope",
    "string",
    "text",
    "why_unreadable",
    "worker",
    "worker_command",
    "worker_name",
]
