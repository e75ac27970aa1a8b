"""Who may sign in, and which tokens programs have: one file, written as a whole and read again when it changes.

It is JSON: `{"format": 1, "users": {name: {"role", "password", "added_at"}}, "tokens": {name: {"role", "hash",
"added_at"}}}`. Passwords are hashed by scrypt. Tokens are 256 bits of chance: SHA-256 is enough for those.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import logging
import os
import re
import secrets
import stat
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dashboard.identity import Role
from queue_core.errors import ConfigurationError, InvalidArgument, shown

log = logging.getLogger(__name__)

FORMAT = 1
TOKEN_PREFIX = "taskyard_"
NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.@+-]{0,63}")
_MODE, _MOST_MODE = 0o600, 0o640
"""Of a new file; at most of one that somebody else has made."""
_MOST_BYTES = 4 * 1024 * 1024

Stamp = tuple[int, int, int]
"""By which a changed file is known: inode, size, time of its last change in ns."""


@dataclass(frozen=True, slots=True)
class Account:
    """`password`: as `passwords` keeps it. `added_at`: Unix ms by the clock of the host where it was added."""

    name: str
    role: Role
    password: str
    added_at: int

    @property
    def mark(self) -> str:
        """Another one when the password is another one: whoever signed in with the old one has to do so again."""
        return hashlib.blake2b(self.password.encode(), digest_size=9).hexdigest()


@dataclass(frozen=True, slots=True)
class Token:
    name: str
    role: Role
    hash: str
    added_at: int


@dataclass(frozen=True, slots=True)
class Users:
    """What the file says."""

    accounts: Mapping[str, Account] = field(default_factory=dict)
    tokens: Mapping[str, Token] = field(default_factory=dict)

    def token(self, text: str) -> Token | None:
        """Whose token this is. Hashes are looked up, so how long it takes says nothing about a token."""
        hashed = hash_token(text)
        return next((token for token in self.tokens.values() if token.hash == hashed), None)


def new_token() -> str:
    return TOKEN_PREFIX + secrets.token_urlsafe(32)


def hash_token(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def check_name(name: str) -> str:
    if not NAME.fullmatch(name):
        raise InvalidArgument(f"name {shown(name, 80)} is not accepted: 1 to 64 letters, digits and _ . @ + -")
    return name


class UsersFile:
    """Thread-safe. Raises `ConfigurationError`, which names the file, where it cannot be read or written."""

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self._lock = threading.Lock()
        self._stamp: Stamp | None = None
        self._users = Users()
        self._complaint = ""

    def read(self) -> Users:
        """As it is now."""
        try:
            with self.path.open("rb") as file:
                self._check_mode(os.fstat(file.fileno()))
                return _decode(json.loads(file.read(_MOST_BYTES)))
        except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            if isinstance(error, ConfigurationError):
                raise
            why = error.strerror if isinstance(error, OSError) else f"it is no users file ({error})"
            raise ConfigurationError(f"users file {self.path}: {why}") from error

    def current(self) -> Users:
        """As it is now, read only when it has changed. Nobody, and a line in the log, while it cannot be read."""
        stamp = self._find_stamp()
        with self._lock:
            if stamp is None or stamp != self._stamp:
                try:
                    self._users, self._stamp, self._complaint = self.read(), stamp, ""
                except ConfigurationError as error:
                    self._users, self._stamp = Users(), stamp
                    if str(error) != self._complaint:
                        log.error("nobody can sign in: %s", error)
                    self._complaint = str(error)
            return self._users

    def change(self, change: Callable[[Users], Users]) -> Users:
        """Several who change it do so one after the other; whoever reads it meanwhile sees the old one or the new."""
        with self._changing():
            before = self.read() if self.path.exists() else Users()
            users = change(before)
            if users != before:
                self._write(users)
            return users

    def _find_stamp(self) -> Stamp | None:
        try:
            found = self.path.stat()
        except OSError:
            return None
        return found.st_ino, found.st_size, found.st_mtime_ns

    def _check_mode(self, found: os.stat_result) -> None:
        if found.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
            raise ConfigurationError(
                f"users file {self.path} may be written by others than its owner: chmod 600 {self.path}"
            )

    @contextmanager
    def _changing(self) -> Iterator[None]:
        folder = self.path.resolve().parent
        try:
            opened = os.open(folder, os.O_RDONLY)
        except OSError as error:
            raise ConfigurationError(f"users file {self.path}: folder {folder}: {error.strerror}") from error
        try:
            fcntl.flock(opened, fcntl.LOCK_EX)
            yield
        finally:
            os.close(opened)

    def _write(self, users: Users) -> None:
        target = self.path.resolve()  # of a link, what it leads to
        made = target.with_name(f".{target.name}.{secrets.token_hex(6)}")
        text = json.dumps(_encode(users), indent=1)
        try:
            with os.fdopen(os.open(made, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _MODE), "w", encoding="utf-8") as file:
                _keep_owner(file.fileno(), target)
                file.write(f"{text}\n")
                file.flush()
                os.fsync(file.fileno())
            made.replace(target)
        except OSError as error:
            with suppress(OSError):
                made.unlink()
            raise ConfigurationError(f"users file {self.path} cannot be written: {error.strerror}") from error


def _keep_owner(opened: int, target: Path) -> None:
    """The new file is its owner's, also where root changes it, and as private as the old one was."""
    if not target.exists():
        return
    old = target.stat()
    if (old.st_uid, old.st_gid) != (os.geteuid(), os.getegid()):
        with suppress(PermissionError):
            os.fchown(opened, old.st_uid, old.st_gid)
    os.fchmod(opened, old.st_mode & _MOST_MODE | _MODE)


def _encode(users: Users) -> dict[str, Any]:
    return {
        "format": FORMAT,
        "users": {
            name: {"role": found.role.word, "password": found.password, "added_at": found.added_at}
            for name, found in sorted(users.accounts.items())
        },
        "tokens": {
            name: {"role": found.role.word, "hash": found.hash, "added_at": found.added_at}
            for name, found in sorted(users.tokens.items())
        },
    }


def _decode(document: Mapping[str, Any]) -> Users:
    if document["format"] != FORMAT:
        raise ValueError(f"its format is {shown(document['format'])}, this version reads {FORMAT}")
    return Users(
        accounts={
            name: Account(check_name(name), Role.of(found["role"]), str(found["password"]), int(found["added_at"]))
            for name, found in document["users"].items()
        },
        tokens={
            name: Token(check_name(name), Role.of(found["role"]), str(found["hash"]), int(found["added_at"]))
            for name, found in document["tokens"].items()
        },
    )
