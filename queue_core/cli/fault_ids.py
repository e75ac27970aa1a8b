"""Faults as people name them: by the beginning of their id, as far as it is the only one."""

from __future__ import annotations

from collections.abc import Sequence

import click

from queue_core.errors import UnknownFault, shown
from queue_core.formats import count
from queue_core.inspector import Inspector

SHORTEST = 4
"""Characters; fewer are a slip."""
SHOWN = 5


def whole_id(inspector: Inspector, queue: str, begun: str) -> str:
    """The fault's own id. One round trip. Raises `UnknownFault`, and `click.UsageError` where several begin so."""
    return matching(begun, [fault.fingerprint for fault in inspector.faults(queue)], queue)


def matching(begun: str, known: Sequence[str], queue: str) -> str:
    """Pure."""
    if begun in known:
        return begun
    found = [one for one in known if one.startswith(begun)] if len(begun) >= SHORTEST else []
    if not found:
        raise UnknownFault(f"no fault of {queue} begins with {shown(begun, 80)}: taskyard faults {queue} lists them")
    if len(found) > 1:
        others = ", ".join(found[:SHOWN]) + (", …" if len(found) > SHOWN else "")
        raise click.UsageError(f"{count(len(found), 'fault')} of {queue} begin with {begun}: {others}.")
    return found[0]
