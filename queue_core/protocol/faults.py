"""What operators send about a fault."""

from __future__ import annotations

from queue_core import scripts
from queue_core.keys import QueueKeys
from queue_core.protocol.actions import Acted, Switched, read_acted, read_switched
from queue_core.protocol.call import Call


def mute_fault(
    queue: QueueKeys, fingerprint: str, until_ms: int | None, attempts: int | None, by: str, reason: str
) -> Call[Acted]:
    """A fault is no problem until a time, or until so many more of its attempts have failed; it counts on all the same.

    Skipped: `no such fault`, `that time is over`. Source: mute_fault.lua.
    """
    ending = ("" if until_ms is None else until_ms, "" if attempts is None else attempts)
    return Call(scripts.load("mute_fault"), queue, (fingerprint, *ending, by, reason), read_acted)


def unmute_fault(queue: QueueKeys, fingerprint: str) -> Call[Switched]:
    """A fault is a problem again, where it is one. Source: unmute_fault.lua."""
    return Call(scripts.load("unmute_fault"), queue, (fingerprint,), read_switched)


def note_fault(queue: QueueKeys, fingerprint: str, by: str, text: str) -> Call[Acted]:
    """Somebody's words stand beside a fault, the newest of ten first. Skipped: `no such fault`.
    Source: note_fault.lua."""
    return Call(scripts.load("note_fault"), queue, (fingerprint, by, text), read_acted)
