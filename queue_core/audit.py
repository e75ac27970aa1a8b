"""Who does what: it is written before it is done, or it is not done."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from queue_core import decoding, keys, protocol
from queue_core.client import Client
from queue_core.errors import CorruptQueue, InvalidArgument, shown
from queue_core.protocol import Argument

MAX_ACTOR, MAX_ACTION_ID, MAX_REASON, MAX_TARGET = 200, 200, 500, 300
"""Characters."""


@dataclass(frozen=True, slots=True)
class Act:
    """What somebody is about to do. `action_id`: the form."""

    verb: str
    by: str
    action_id: str
    reason: str = ""

    @classmethod
    def check(cls, verb: str, by: str, action_id: str, reason: str = "") -> Act:
        """Texts on one line, as they are written. Raises `InvalidArgument`."""
        reason = check_text("reason", reason, MAX_REASON)
        return cls(verb, check_text("by", by, MAX_ACTOR), check_action_id(action_id), reason)

    def form(self, queue: str) -> str:
        """The same for the same form, however often it is sent; short, and of no characters that mean anything."""
        parts = (self.verb, queue, self.action_id)
        return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:32]


def record(client: Client, queue: str, act: Act, target: str, count: int = 0) -> None:
    """`queue`: "" where it is on none; `target`: on what in it; `count`: on how many tasks. Raises what `Client.run`
    does: then nothing is to be done."""
    facts: dict[str, Argument] = {
        "by": act.by,
        "verb": act.verb,
        "queue": queue,
        "target": decoding.line(target, MAX_TARGET),
        "count": count,
        "reason": act.reason,
        "action": act.action_id,
    }
    place = client.queue(queue or keys.NO_QUEUE)
    try:
        client.run(protocol.audit(place, act.form(queue), facts))
    except CorruptQueue as error:
        key = keys.audit(client.namespace)
        raise CorruptQueue(
            f"nothing was done, because it cannot be written down: {key}, or what it knows of this form, has a type "
            "that Taskyard did not give it. Rename that key: a new one is begun",
            key=key,
        ) from error


def target_of(ids: Sequence[str], what: str = "task") -> str:
    """Tasks, or what else has an id, as one target."""
    return f"{what} {ids[0]}" if len(ids) == 1 else f"{len(ids):,} {what}s, {ids[0]} the first"


def check_text(what: str, value: str, most: int) -> str:
    """On one line and without control characters."""
    if not isinstance(value, str) or len(value) > most:
        raise InvalidArgument(f"{what} {shown(value)} is not accepted: a text of at most {most} characters")
    if any("\ud800" <= character <= "\udfff" for character in value):
        raise InvalidArgument(f"{what} {shown(value)} is not accepted: half of a surrogate pair is no character")
    return " ".join(decoding.line(value, most).split())


def check_action_id(action_id: str) -> str:
    if not isinstance(action_id, str) or not 1 <= len(action_id) <= MAX_ACTION_ID or not action_id.isprintable():
        raise InvalidArgument(
            f"action id {shown(action_id)} is not accepted: 1 to {MAX_ACTION_ID} printable characters"
        )
    return action_id
