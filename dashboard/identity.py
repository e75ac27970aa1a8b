"""Who asks, and what they may do. A hidden button is no guard: every view that changes something says whom it needs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum
from functools import wraps
from typing import Literal, ParamSpec, TypeVar

from flask import abort, g

from dashboard.parts import parts
from queue_core.errors import InvalidArgument, shown

P = ParamSpec("P")
T = TypeVar("T")


class Role(IntEnum):
    """Each may do what the ones before it may."""

    VIEWER = 1
    OPERATOR = 2
    ADMIN = 3

    @property
    def word(self) -> str:
        return self.name.lower()

    @classmethod
    def of(cls, word: str) -> Role:
        """Raises `InvalidArgument`."""
        found = next((role for role in cls if role.word == str(word).strip().lower()), None)
        if found is None:
            raise InvalidArgument(f"role {shown(word, 40)} is not accepted: {', '.join(role.word for role in cls)}")
        return found


@dataclass(frozen=True, slots=True)
class User:
    """`name` stands in the audit, and in the histories of the tasks that they act on. `role`: `None` may do nothing.
    `via`: how they are known; "" where nobody has to be."""

    name: str
    role: Role | None
    via: Literal["", "password", "proxy", "token"] = ""

    def may(self, role: Role) -> bool:
        return self.role is not None and self.role >= role


ANYBODY = User("console", Role.ADMIN)
"""Whoever reaches a console without a sign-in."""
NOBODY = User("nobody", None)


def current_user() -> User:
    """Found out before every view, by `access`."""
    found = g.get("user")
    return found if isinstance(found, User) else NOBODY


def actor() -> str:
    """How the one who asks stands in the audit."""
    return current_user().name


def needs(role: Role) -> Callable[[Callable[P, T]], Callable[P, T]]:
    """Of a view: answers 403 to those who may not, before anything is looked at. Stands under the view's route."""

    def guard(view: Callable[P, T]) -> Callable[P, T]:
        @wraps(view)
        def guarded(*args: P.args, **kwargs: P.kwargs) -> T:
            user = current_user()
            if not user.may(role):
                has = user.role.word if user.role else "not signed in"
                parts().noted.refused_request(user.name, f"it needs the role {role.word}; {user.name} is {has}")
                abort(403, f"This needs the role {role.word}; {user.name} is {has}. Nothing was done.")
            return view(*args, **kwargs)

        guarded.needed_role = role  # type: ignore[attr-defined]  # found by the test that walks the URL map
        return guarded

    return guard


def may_edit(view: Callable[P, T]) -> Callable[P, T]:
    """Of a view that takes arguments of tasks: an operator, or an admin alone where the console is set so. Stands
    between the view and `needs`."""

    @wraps(view)
    def guarded(*args: P.args, **kwargs: P.kwargs) -> T:
        role = parts().settings.edit_role
        if not current_user().may(role):
            parts().noted.refused_request(actor(), f"editing a task needs the role {role.word}")
            abort(403, f"Editing a task needs the role {role.word}. Nothing was done.")
        return view(*args, **kwargs)

    return guarded
