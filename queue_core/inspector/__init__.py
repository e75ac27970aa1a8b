"""What is going on: reads for the console, the command line and the metrics. Nothing here changes anything.

Each docstring says how many round trips a call takes; the server's costs follow what is shown, never the length of a
queue. The first call after a server's start takes one more: its scripts are not known there yet.

`inspector` is what others call. How it reads: `overview` everything at once, `pages` lists of tasks, `letters` those of
some faults, `workers`, `schedules`, `operations`; each asks by `reader`, which sends many calls in one round trip.
"""

from __future__ import annotations

from queue_core.inspector.inspector import Inspector
from queue_core.inspector.operations import is_operation_id
from queue_core.inspector.pages import MAX_ROWS

__all__ = ["MAX_ROWS", "Inspector", "is_operation_id"]
