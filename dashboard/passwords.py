"""Passwords are kept as scrypt makes them, with the parameters beside, so that these can grow. Pure but for chance."""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
import unicodedata
from dataclasses import dataclass

from queue_core.errors import InvalidArgument

LEAST, MOST = 12, 1024
"""Characters of a password."""
_SALT_BYTES, _KEY_BYTES = 16, 32
_MOST_MEMORY = 256 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Cost:
    """As RFC 7914 names them. Memory of one check: 128 · n · r bytes."""

    n: int = 2**15
    r: int = 8
    p: int = 3


COST = Cost()
"""32 MiB, and about a quarter of a second of one core: one of the choices that OWASP gives as equal."""


def hash_password(password: str, cost: Cost = COST) -> str:
    """`scrypt$n$r$p$salt$key`, the last two in base64. Raises `InvalidArgument` for one that is too short or long."""
    if not LEAST <= len(password) <= MOST:
        raise InvalidArgument(f"a password has {LEAST} to {MOST:,} characters; this one has {len(password):,}")
    salt = os.urandom(_SALT_BYTES)
    return _stored(cost, salt, _key(password, salt, cost))


def is_right(password: str, stored: str) -> bool:
    """Whether it is the password of which this was made. What cannot be read is nobody's."""
    try:
        kind, n, r, p, salt, key = stored.split("$")
        cost = Cost(int(n), int(r), int(p))
        wanted = base64.b64decode(key, validate=True)
        found = _key(password[: MOST + 1], base64.b64decode(salt, validate=True), cost)
    except (ValueError, TypeError, OverflowError, MemoryError):  # of parameters that cannot be, too
        return False
    return kind == "scrypt" and len(wanted) == _KEY_BYTES and hmac.compare_digest(found, wanted)


def decoy(cost: Cost = COST) -> str:
    """What no password makes, at the cost of one: checked for names that nobody has, so that time tells nothing."""
    return _stored(cost, os.urandom(_SALT_BYTES), os.urandom(_KEY_BYTES))


def _key(password: str, salt: bytes, cost: Cost) -> bytes:
    # The same character can come in several codings, by the keyboard that it was typed on.
    text = unicodedata.normalize("NFKC", password).encode("utf-8", "surrogatepass")
    return hashlib.scrypt(text, salt=salt, n=cost.n, r=cost.r, p=cost.p, maxmem=_MOST_MEMORY, dklen=_KEY_BYTES)


def _stored(cost: Cost, salt: bytes, key: bytes) -> str:
    texts = (base64.b64encode(part).decode() for part in (salt, key))
    return "$".join(("scrypt", str(cost.n), str(cost.r), str(cost.p), *texts))
