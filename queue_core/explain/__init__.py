"""Why a task is in its state, or what a queue waits for; what happens next, and what helps.

What it is made of: `explanation` (the values), `asking` (what is read), and from there on all is pure: `tasks` and
`queues` say what they find, `obstacles` what both may meet, in the words of `wording`. The figures are those of a few
moments: "about" where they can have moved meanwhile.
"""

from __future__ import annotations

from queue_core.explain.asking import explain, explain_queue, holder_of_key, look_around
from queue_core.explain.explanation import Cause, Explanation, Surroundings
from queue_core.explain.tasks import allowed_attempts, explain_task, waits_for_a_claim

__all__ = [
    "Cause",
    "Explanation",
    "Surroundings",
    "allowed_attempts",
    "explain",
    "explain_queue",
    "explain_task",
    "holder_of_key",
    "look_around",
    "waits_for_a_claim",
]
