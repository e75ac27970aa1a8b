"""What was refused, and to whom, stands in the audit stream, too; so little of it that nobody can fill that."""

from __future__ import annotations

import logging
import secrets
from collections import Counter
from collections.abc import Callable
from typing import TYPE_CHECKING

from flask import g, request

from dashboard.allowance import Allowance
from queue_core.errors import InvalidArgument, TaskyardError

if TYPE_CHECKING:
    from queue_core.control import Control

log = logging.getLogger(__name__)

AN_HOUR = 10
"""Entries of one person, and of all together who are not signed in, in each process. The next one says how many others
there were."""
STRANGERS = ""


class Refusals:
    """`wall`: seconds, by this host's clock."""

    def __init__(self, control: Control, wall: Callable[[], float]) -> None:
        self._control, self._wall = control, wall
        self._allowance = Allowance(AN_HOUR, 3600)
        self._unwritten: Counter[str] = Counter()

    def note_request(self, by: str, why: str) -> None:
        """Somebody who is known asked for what they may not have."""
        queue = str((request.view_args or {}).get("name", ""))
        self._note(by, f"{request.method} {request.path}", why, by=by, queue=queue)

    def note_sign_in(self, address: str, name: str) -> None:
        """`name`: of a user; "" where nobody has it: what was typed there may be a password."""
        self._note(STRANGERS, f"sign in as {name or 'somebody unknown'}", "wrong name or password", by=address)

    def _note(self, whose: str, what: str, why: str, *, by: str, queue: str = "") -> None:
        if self._allowance.take(whose, self._wall()):
            self._unwritten[whose] += 1
            return
        others = self._unwritten.pop(whose, 0)
        reason = f"{why}; {others:,} others before it" if others else why
        log.warning("refused to %s: %s (%s)", by, what, reason)
        if (view := g.get("view")) is not None and view.is_away:
            return  # nothing is done either, and nobody shall wait for the server
        try:
            try:
                self._write(by, what, reason, queue)
            except InvalidArgument:
                self._write(by, what, reason, "")  # no queue can have such a name
        except TaskyardError as error:
            log.warning("the audit stream does not have it: %s", error)

    def _write(self, by: str, what: str, reason: str, queue: str) -> None:
        self._control.refuse(what[:300], queue=queue, by=by[:200], reason=reason, action_id=secrets.token_hex(12))
