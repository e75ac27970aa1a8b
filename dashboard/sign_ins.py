"""A sign-in: kept in the signed cookie of that browser, so that every process with the same secret key knows it."""

from __future__ import annotations

import logging
import secrets
import threading
from typing import TYPE_CHECKING

from flask import session
from flask_wtf.csrf import generate_csrf

from dashboard.users import Account, Users
from queue_core.errors import TaskyardError

if TYPE_CHECKING:
    from queue_core.consoles import Consoles

log = logging.getLogger(__name__)

_KEY = "sign_in"
_TOUCH_SECONDS = 60.0
"""A cookie is not written anew with every click."""
_LOOK_SECONDS = 1.0
"""How long what other consoles have ended is believed to be all."""
_MOST_ENDED = 10_000


class SignIns:
    """`idle_seconds` after the last click, `most_seconds` after its beginning it is over. Time is passed in, seconds.

    It is over, too, when its user is removed or gets another password. Signing out takes it from the browser; whoever
    copied the cookie before is refused by this process, which remembers what it has ended, and within a second by all
    others, which are told by `consoles`.
    """

    def __init__(self, idle_seconds: float, most_seconds: float, consoles: Consoles) -> None:
        self._idle, self._most = idle_seconds, most_seconds
        self._consoles = consoles
        self._lock = threading.Lock()
        self._ended: dict[str, float] = {}
        """Id → when it would be over anyway: what was ended here, also where Redis could not be told."""
        self._looking = threading.Lock()
        self._looked_at = 0.0
        self._ended_elsewhere: frozenset[str] = frozenset()

    def begin(self, account: Account, now: float) -> None:
        session.clear()  # a form's token that was known before is not known any more
        session.permanent = True
        session[_KEY] = {
            "id": secrets.token_hex(8),
            "name": account.name,
            "mark": account.mark,
            "began": now,
            "seen": now,
        }
        generate_csrf()  # the pages that stand open in other tabs ask at once: each would make one of its own

    def find(self, users: Users, now: float, *, is_click: bool) -> Account | None:
        """Whose sign-in this request carries. `is_click`: somebody is there; a page that refreshes itself is no sign
        of that."""
        found = session.get(_KEY)
        if not found or self._has_ended(found["id"], now):
            return None
        account = users.accounts.get(found["name"])
        is_over = now - found["seen"] > self._idle or now - found["began"] > self._most
        if account is None or account.mark != found["mark"] or is_over:
            return None
        if is_click and now - found["seen"] > _TOUCH_SECONDS:
            session[_KEY] = {**found, "seen": now}
        return account

    def end(self, now: float) -> None:
        found = session.get(_KEY)
        session.clear()
        if not found:
            return
        with self._lock:
            self._ended = {key: until for key, until in self._ended.items() if until > now}
            while len(self._ended) >= _MOST_ENDED:
                del self._ended[next(iter(self._ended))]
            until = self._ended[found["id"]] = found["began"] + self._most
        try:
            self._consoles.end_sign_in(found["id"], until, now)
        except TaskyardError as error:
            log.warning("other consoles do not know that %s signed out: %s", found["name"], error)

    def _has_ended(self, sign_in_id: str, now: float) -> bool:
        """One request at a time looks; the others believe what was found before."""
        is_due = not 0 <= now - self._looked_at < _LOOK_SECONDS
        if is_due and self._looking.acquire(blocking=False):
            try:
                self._ended_elsewhere = self._consoles.ended_sign_ins(now)
            except TaskyardError as error:
                log.info("what other consoles have ended is not known: %s", error)
            finally:
                self._looked_at = now
                self._looking.release()
        return sign_in_id in self._ended or sign_in_id in self._ended_elsewhere
