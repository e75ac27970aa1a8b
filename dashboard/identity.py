"""Who asks, and what they may do. A hidden button is no guard: every view that changes something says whom it needs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum
from functools import wraps
from typing import ParamSpec, TypeVar

from flask import abort, g

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


@dataclass(frozen=True, slots=True)
class User:
    """`name` stands in the audit, and in the histories of the tasks that they act on."""

    name: str
    role: Role

    def may(self, role: Role) -> bool:
        return self.role >= role


ANYBODY = User("console", Role.ADMIN)
"""Whoever reaches a console without a sign-in."""


def current_user() -> User:
    found = g.get("user")
    return found if isinstance(found, User) else ANYBODY


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
                abort(403, f"This needs the role {role.word}; {user.name} is {user.role.word}. Nothing was done.")
            return view(*args, **kwargs)

        guarded.needed_role = role  # type: ignore[attr-defined]  # found by the test that walks the URL map
        return guarded

    return guard
