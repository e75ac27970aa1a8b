"""What operators do: each action acts once however often its form is sent, and says what it did and what it left alone.

What somebody is about to do is written into the audit stream first, or it is not done. An action has an id of its own.
The calls that it takes are numbered under it, so that the same form sent again within ten minutes gets the same answers
from the server and changes nothing more.

`control` is what others call. Apart from it: `letters` requeues all of a fault, `faults` is
what is said of one, `commanding` tells workers what to do,
`given` checks what operators give, for operations too.
"""

from __future__ import annotations

from queue_core.control.commanding import COMMAND_MS, NO_WORKER, why_not_told
from queue_core.control.control import Control
from queue_core.control.given import check_keep_seconds, check_ms, history_facts

__all__ = ["COMMAND_MS", "NO_WORKER", "Control", "check_keep_seconds", "check_ms", "history_facts", "why_not_told"]
