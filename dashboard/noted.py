"""Who came and went, and what was refused to whom, stands in the audit stream; so little that nobody can fill that."""

from __future__ import annotations

import logging
import secrets
from collections import Counter
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from flask import request

from dashboard.allowance import Allowance
from queue_core.errors import InvalidArgument, TaskyardError

if TYPE_CHECKING:
    from queue_core.consoles import Consoles
    from queue_core.control import Control

log = logging.getLogger(__name__)

AN_HOUR = 10
"""Entries of one kind of one person, and of all together who are not signed in, by all consoles. The next one says how
many others there were in its process."""
SECONDS = 3600
STRANGERS = ""


class Noted:
    """`wall`: seconds, by this host's clock; `consoles`: where the others' entries are counted, too."""

    def __init__(self, control: Control, wall: Callable[[], float], consoles: Consoles) -> None:
        self._control, self._wall, self._consoles = control, wall, consoles
        self._allowance = Allowance(AN_HOUR, SECONDS)
        self._unwritten: Counter[tuple[str, str]] = Counter()

    def refused_request(self, by: str, why: str) -> None:
        """Somebody who is known asked for what they may not have."""
        queue = str((request.view_args or {}).get("name", ""))
        self._refused(by, f"{request.method} {request.path}", why, by=by, queue=queue)

    def refused_sign_in(self, address: str, name: str) -> None:
        """`name`: of a user; "" where nobody has it: what was typed there may be a password."""
        self._refused(STRANGERS, f"sign in as {name or 'somebody unknown'}", "wrong name or password", by=address)

    def signed_in(self, name: str, address: str) -> None:
        self._came_or_went("in", name, address)

    def signed_out(self, name: str, address: str) -> None:
        self._came_or_went("out", name, address)

    def _came_or_went(self, way: str, name: str, address: str) -> None:
        reason = self._allowed(f"sign {way}", name)
        if reason is None:
            return
        log.info("%s signed %s, from %s", name, way, address)
        write = self._control.sign_in if way == "in" else self._control.sign_out
        self._write(write, address, by=name, reason=reason)

    def _refused(self, whose: str, what: str, why: str, *, by: str, queue: str = "") -> None:
        others = self._allowed("refuse", whose)
        if others is None:
            return
        reason = f"{why}; {others}" if others else why
        log.warning("refused to %s: %s (%s)", by, what, reason)
        try:
            self._write(self._control.refuse, what[:300], by=by[:200], reason=reason, queue=queue)
        except InvalidArgument:  # no queue can have such a name
            self._write(self._control.refuse, what[:300], by=by[:200], reason=reason)

    def _allowed(self, kind: str, whose: str) -> str | None:
        """`None`: there were too many of this kind; else how many others there were since the last that was written."""
        if self._allowance.take((kind, whose), self._wall()) or self._is_too_much(kind, whose):
            self._unwritten[kind, whose] += 1
            return None
        others = self._unwritten.pop((kind, whose), 0)
        return f"{others:,} others before it" if others else ""

    def _is_too_much(self, kind: str, whose: str) -> bool:
        """With what other processes have written. What this one refuses by itself is not asked for."""
        try:
            return self._consoles.try_once({f"{kind} {whose}": AN_HOUR}, SECONDS, secrets.token_hex(8)) > 0
        except TaskyardError as error:
            log.warning("entries of the audit stream are counted by this console alone: %s", error)
            return False

    def _write(self, write: Callable[..., Any], what: str, **facts: str) -> None:
        """Raises `InvalidArgument`. What cannot be written is done all the same."""
        try:
            write(what, **facts, action_id=secrets.token_hex(12))
        except InvalidArgument:
            raise
        except TaskyardError as error:
            log.warning("the audit stream does not have it: %s", error)
