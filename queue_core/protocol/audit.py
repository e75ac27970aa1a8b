"""What says who did what."""

from __future__ import annotations

from collections.abc import Mapping

from queue_core import keys, scripts
from queue_core.keys import QueueKeys
from queue_core.protocol.call import Argument, Call, text

MAX_ENTRIES = 10_000
"""Of the audit stream, about: the oldest make room."""
FORM_MS = 600_000
"""How long a form that is sent again is known by, as long as a session lasts."""


def audit(queue: QueueKeys, form: str, facts: Mapping[str, Argument]) -> Call[str]:
    """An action on a queue is about to be done. Shape: the entry's id. Source: audit.lua."""
    arguments: list[Argument] = [MAX_ENTRIES, FORM_MS]
    for name, fact in facts.items():
        arguments += (name, fact)
    own = (keys.audit(queue.namespace), keys.audited(queue.namespace, form))
    return Call(scripts.load("audit"), queue, arguments, text, own, has_session=False, is_global=True)
