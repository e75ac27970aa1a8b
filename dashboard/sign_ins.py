"""A sign-in: kept in the signed cookie of that browser, so that every process with the same secret key knows it."""

from __future__ import annotations

import secrets
import threading

from flask import session

from dashboard.users import Account, Users

_KEY = "sign_in"
_TOUCH_SECONDS = 60.0
"""A cookie is not written anew with every click."""
_MOST_ENDED = 10_000


class SignIns:
    """`idle_seconds` after the last click, `most_seconds` after its beginning it is over. Time is passed in, seconds.

    It is over, too, when its user is removed or gets another password. Signing out takes it from the browser; whoever
    copied the cookie before is refused by this process as well, which remembers the ends of sign-ins.
    """

    def __init__(self, idle_seconds: float, most_seconds: float) -> None:
        self._idle, self._most = idle_seconds, most_seconds
        self._lock = threading.Lock()
        self._ended: dict[str, float] = {}
        """Id → when it would be over anyway."""

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

    def find(self, users: Users, now: float, *, is_click: bool) -> Account | None:
        """Whose sign-in this request carries. `is_click`: somebody is there; a page that refreshes itself is no sign
        of that."""
        found = session.get(_KEY)
        if not found or found["id"] in self._ended:
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
            self._ended[found["id"]] = found["began"] + self._most
