"""All letters of a fault become ready: one action of as many calls as it takes.

It is marked as under way from its first call to its last, and then with its outcome, so that the same form sent again
begins nothing more. Where its runner has died, the next one that is sent the form goes on with what is left.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass

import msgspec

from queue_core import connection, decoding, protocol, scripts, settings
from queue_core.audit import Act
from queue_core.client import Client
from queue_core.control.given import facts_of
from queue_core.errors import ActionUnderWay, ServerUnavailable, TaskyardError
from queue_core.ids import is_task_id
from queue_core.keys import QueueKeys
from queue_core.protocol import Argument, Call, Session
from queue_core.snapshot import Outcome

MARK_MS = 30_000
"""How long an action that takes several calls counts as under way after its last sign of life."""
OUTCOME_MS = 600_000


class Letters:
    """A fault's letters that died at or before a time, oldest first, each once."""

    def __init__(self, keys: QueueKeys, fingerprint: str, until: int) -> None:
        self._key = keys.dead_by_fault
        self._first = b"[%b:" % fingerprint.encode()
        self._from = self._first
        self._to = b"[%b:%013d:\xff" % (fingerprint.encode(), until)

    def count(self) -> Sequence[Argument]:
        """The command that counts all of them."""
        return "ZLEXCOUNT", self._key, self._first, self._to

    def next(self, limit: int) -> Sequence[Argument]:
        """The command that lists those behind the last ones."""
        return "ZRANGEBYLEX", self._key, self._from, self._to, "LIMIT", 0, limit

    def advance(self, members: Sequence[bytes]) -> list[tuple[str, int]]:
        """What was listed, as letters, is done with. What is no letter is left where it is."""
        self._from = b"(" + members[-1]
        letters = []
        for member in members:
            before, _, task_id = member.rpartition(b":")
            died_at = before.rpartition(b":")[2]
            if died_at.isdigit() and is_task_id(decoding.text(task_id)):
                letters.append((task_id.decode(), int(died_at)))
        return letters


def requeue_letters(client: Client, keys: QueueKeys, letters: Letters, act: Act, limit: int) -> Outcome:
    """At most `limit` of them, or what another runner of the same form has done. Raises `ActionUnderWay`."""
    run = Run(secrets.token_urlsafe(9), act.action_id)
    found = _note(client, keys, run)
    if found:
        return found
    try:
        outcome = _requeue_all(client, keys, letters, run, facts_of(act), limit)
    except ServerUnavailable:
        raise
    except TaskyardError:
        _note(client, keys, run, keep_ms=1)
        raise
    _note(client, keys, run, outcome, keep_ms=OUTCOME_MS)
    return outcome


def _requeue_all(
    client: Client, keys: QueueKeys, letters: Letters, run: Run, facts: dict[str, object], limit: int
) -> Outcome:
    """Batch by batch, with a sign of life after each."""
    done: list[str] = []
    skipped: dict[str, str] = {}
    server_ms = looked_at = 0
    while looked_at < limit:
        answers = client.read(letters.next(min(settings.MAX_BATCH, limit - looked_at)))
        (members,) = connection.checked(answers, client.url)
        if not members:
            break
        batch = letters.advance(members)
        acted = client.run(protocol.requeue(keys, batch, facts), run.session(looked_at))
        done += [task_id for task_id, _ in batch if task_id not in acted.skipped]
        skipped.update(acted.skipped)
        server_ms, looked_at = max(server_ms, acted.now_ms), looked_at + len(members)
        _note(client, keys, run)
    answers = client.read(letters.count(), ("TIME",))
    remaining, time = connection.checked(answers, client.url)
    if not server_ms:
        server_ms = client.clock() if client.clock else connection.time_ms(time)
    return Outcome("requeue", tuple(done), skipped, server_ms, remaining=remaining)


@dataclass(frozen=True, slots=True)
class Run:
    """One runner of an action, who goes by `token`. Its calls are its own: another runner's letters are other ones."""

    token: str
    action_id: str

    def session(self, number: int) -> Session:
        return Session(f"{self.action_id}.{self.token}.{number}")


def mark(keys: QueueKeys, run: Run, outcome: bytes, keep_ms: int) -> Call[bytes]:
    """Shape: empty, or what another runner's mark says. Source: mark.lua."""
    arguments = (run.token, outcome, keep_ms)
    return Call(scripts.load("mark"), keys, arguments, bytes, (keys.action(run.action_id),), has_session=False)


def _note(
    client: Client, keys: QueueKeys, run: Run, outcome: Outcome | None = None, keep_ms: int = MARK_MS
) -> Outcome | None:
    """Say that the action is under way, or what came of it. Returns the outcome that somebody else's run had."""
    text = b"" if outcome is None else msgspec.json.encode(outcome)
    standing = client.run(mark(keys, run, text, keep_ms))
    if not standing:
        return None
    try:
        return msgspec.json.decode(standing.partition(b" ")[2], type=Outcome)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        raise ActionUnderWay from None
