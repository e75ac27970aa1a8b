"""What to send to the server and how to read its answer: one typed function per transition. No I/O.

A function returns a `Call`; `client` and `aio` carry it. All times are Unix milliseconds by the server's clock.
"""

from __future__ import annotations

from queue_core.protocol.actions import (
    Acted,
    Switched,
    check_lane,
    close_lane,
    delete,
    open_lane,
    pause,
    promote,
    requeue,
    restore,
    resume,
    trash,
)
from queue_core.protocol.audit import audit
from queue_core.protocol.call import Argument, Call, Session, with_text
from queue_core.protocol.repairs import balance, examine, repair
from queue_core.protocol.tasks import (
    DEAD,
    DISCARD,
    NO_COUNTERS,
    RETRY,
    Claimed,
    ClaimedTask,
    Counters,
    FailedTask,
    Held,
    NewTask,
    Recovered,
    ReleasedTask,
    claim,
    complete,
    enqueue,
    extend,
    fail,
    recover,
    release,
)

__all__ = [
    "DEAD",
    "DISCARD",
    "NO_COUNTERS",
    "RETRY",
    "Acted",
    "Argument",
    "Call",
    "Claimed",
    "ClaimedTask",
    "Counters",
    "FailedTask",
    "Held",
    "NewTask",
    "Recovered",
    "ReleasedTask",
    "Session",
    "Switched",
    "audit",
    "balance",
    "check_lane",
    "claim",
    "close_lane",
    "complete",
    "delete",
    "enqueue",
    "examine",
    "extend",
    "fail",
    "open_lane",
    "pause",
    "promote",
    "recover",
    "release",
    "repair",
    "requeue",
    "restore",
    "resume",
    "trash",
    "with_text",
]
