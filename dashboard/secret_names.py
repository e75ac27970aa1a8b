"""Names that name a secret, by the words of which they are made. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache
from itertools import pairwise
from typing import Any

MASK = "•••"
KEYS = (
    "password", "passwd", "pwd", "passphrase", "secret", "token", "authorization", "api_key", "access_key",
    "private_key", "credential", "cookie", "card", "cvv", "cvc", "pin", "ssn", "iban",
    "passcode", "secret_key", "account_key", "amz_signature",
)  # fmt: skip
"""Names whose values are hidden, also as a part of a longer name: `card` in `cardNumber` and `credit-card`, not in
`discard`. One more letter s makes no difference."""

PAIR_NAMES = frozenset(("name", "key", "header", "field", "variable"))
PAIR_VALUES = frozenset(("value", "val"))
"""`{"name": "password", "value": …}`, as headers and variables are often listed; in any case."""

LONGEST_KEY = 256
"""Characters of a name that is remembered."""
TOGETHER = ("password", "passwd", "passphrase", "passcode", "secret", "token", "credential", "apikey")
"""Names that also end a word: `PGPASSWORD`, `accesstoken`."""
_HUMP = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_WORD = re.compile(r"[^\W_]+")
_NAME = re.compile(r"-{0,2}[\w.$-]{1,128}")


class SecretNames:
    """`given`: more than `KEYS`; one that begins with `-` is none after all. Threads may share one.

    `marks`: of these at least one stands in every such name, in small letters.
    """

    def __init__(self, given: Iterable[str] = ()) -> None:
        given = [name.strip() for name in given if name.strip()]
        taken_off = {_joined(name[1:]) for name in given if name.startswith("-")}
        listed = [name for name in (*KEYS, *given) if not name.startswith("-") and _joined(name) not in taken_off]
        self._joined = frozenset(filter(None, map(_joined, listed)))
        self._together = tuple(name for name in TOGETHER if name in self._joined)
        self._most_words = max((len(_words(name)) for name in listed), default=0)
        self.marks = tuple(sorted({max(_words(name), key=len) for name in listed if _words(name)}))
        self._short = lru_cache(maxsize=10_000)(self._names_secret)

    def __contains__(self, key: str) -> bool:
        return self._short(key) if len(key) <= LONGEST_KEY else self._names_secret(key)

    def is_name(self, text: object) -> bool:
        """It is such a name and no more: no sentence with one."""
        return isinstance(text, str) and bool(_NAME.fullmatch(text)) and text in self

    def pair(self, value: dict[str, Any]) -> tuple[str, str] | None:
        """The member that names a secret, and the one beside it that holds it: `{"name": "password", "value": …}`."""
        holder = next((key for key in value if key.lower() in PAIR_VALUES), None)
        if holder is None:
            return None
        for key, name in value.items():
            if key.lower() in PAIR_NAMES and isinstance(name, str) and name in self:
                return key, holder
        return None

    def places(self, values: list[Any]) -> set[int]:
        """Where a list holds one behind its name: `["--password", "x"]`."""
        return {
            place
            for place, (name, value) in enumerate(pairwise(values), 1)
            if isinstance(name, str) and name.startswith("-") and self.is_name(name)
            if isinstance(value, str) and not value.startswith("--")
        }

    def are_pairs(self, values: list[Any]) -> bool:
        """`[["X-Api-Key", "x"], …]`: names with their values, of which one at least is secret."""
        return all(isinstance(item, list) and len(item) == 2 and isinstance(item[0], str) for item in values) and any(
            self.is_name(item[0]) for item in values
        )

    def _names_secret(self, key: str) -> bool:
        if len(key) > LONGEST_KEY and not any(mark in key.lower() for mark in self.marks):
            return False
        words = _words(key)
        for first, word in enumerate(words):
            if word.removesuffix("s").endswith(self._together):
                return True
            for last in range(first + 1, min(first + self._most_words, len(words)) + 1):
                joined = "".join(words[first:last])
                if joined in self._joined or joined.removesuffix("s") in self._joined:
                    return True
        return False


def _words(key: str) -> list[str]:
    return [word.casefold() for word in _WORD.findall(_HUMP.sub("_", key))]


def _joined(key: str) -> str:
    return "".join(_words(key))
