"""What is said of a fault: that somebody knows of it for a while, and what they know."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from queue_core import audit, connection, protocol, reading
from queue_core.audit import Act
from queue_core.client import Client
from queue_core.control.given import check_ms
from queue_core.errors import InvalidArgument, UnknownFault, UnknownQueue, shown
from queue_core.formats import count, iso
from queue_core.keys import QueueKeys
from queue_core.protocol import Acted, Call, Session, Switched
from queue_core.snapshot import Outcome
from queue_core.task import check_integer

MAX_NOTE = 500
"""Characters of a note."""
MAX_ATTEMPTS = 10**9


def check_fingerprint(queue: str, fingerprint: str) -> None:
    if not reading.is_fingerprint(fingerprint):
        raise UnknownFault(f"there is no fault {shown(fingerprint, 80)} in {queue}: no fingerprint looks like that")


def mute_fault(
    client: Client, act: Act, queue: str, fingerprint: str, until: int | None, attempts: int | None
) -> Outcome:
    """Nothing is muted for ever: at least one of both is given."""
    if until is None and attempts is None:
        raise InvalidArgument("a mute without an end is not accepted: say until when, or for how many failed attempts")
    told = [] if until is None else [f"until {iso(check_ms('until', until))}"]
    if attempts is not None:
        check_integer("attempts", attempts, 1, MAX_ATTEMPTS)
        told.append(f"for {count(attempts, 'more failed attempt')}")

    def call(keys: QueueKeys) -> Call[Acted]:
        return protocol.mute_fault(keys, fingerprint, until, attempts, act.by, act.reason)

    return _act(client, act, queue, fingerprint, call, " or ".join(told))


def unmute_fault(client: Client, act: Act, queue: str, fingerprint: str) -> Outcome:
    return _act(client, act, queue, fingerprint, lambda keys: protocol.unmute_fault(keys, fingerprint))


def note_fault(client: Client, act: Act, queue: str, fingerprint: str, text: str) -> Outcome:
    """On one line, with something in it."""
    note = audit.check_text("note", text, MAX_NOTE)
    if not note:
        raise InvalidArgument("a note without words is not accepted")
    return _act(
        client, act, queue, fingerprint, lambda keys: protocol.note_fault(keys, fingerprint, act.by, note), note
    )


def _act(
    client: Client, act: Act, queue: str, fingerprint: str, call: Callable[[QueueKeys], Call[Any]], told: str = ""
) -> Outcome:
    """What is to be done stands in the audit stream before. Raises `UnknownFault`."""
    keys = client.queue(queue)
    check_fingerprint(queue, fingerprint)
    exists, is_known = connection.checked(
        client.read(("EXISTS", keys.control), ("HEXISTS", keys.faults, fingerprint)), client.url
    )
    if not exists:
        raise UnknownQueue(f"there is no queue {queue}", queue=queue)
    if not is_known:
        raise UnknownFault(f"there is no fault {fingerprint} in {queue}")
    audit.record(client, queue, act, f"fault {fingerprint}{told and ': '}{told}")
    answer = client.run(call(keys), Session(f"{act.action_id}.0"))
    if isinstance(answer, Switched):
        skipped = {} if answer.has_changed else {fingerprint: "not muted"}
    else:
        skipped = answer.skipped
    return Outcome(act.verb, () if skipped else (fingerprint,), skipped, answer.now_ms)
