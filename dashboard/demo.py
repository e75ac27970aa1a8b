"""The demo that started this console: how it stands, and what it is asked to do, by a Unix socket of its own.

A connection carries one request and one answer, a line of JSON each (`queue_core.demo.panel`).
"""

from __future__ import annotations

import socket
from dataclasses import asdict, dataclass

import msgspec

PATIENCE_SECONDS = 2.0
"""For an action: the demo starts and kills processes."""
LOOK_SECONDS = 0.5


class DemoAway(Exception):
    """The demo does not answer; it is ending, say."""


@dataclass(frozen=True, slots=True)
class DemoWorker:
    name: str
    slots: int


@dataclass(frozen=True, slots=True)
class Rescue:
    """Of the worker that was killed last: how many tasks it had, how many of them its leases still hold, after how many
    seconds the last one was back, or how long ago it was killed."""

    worker: str
    tasks: int
    held: int
    seconds: float


@dataclass(frozen=True, slots=True)
class DemoState:
    """`opens_in`: seconds until the warehouse opens by itself; `None`: it stays as it is."""

    workers: tuple[DemoWorker, ...]
    may_add: bool
    burst: int
    is_warehouse_open: bool
    opens_in: float | None
    lease_seconds: float
    rescue: Rescue | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """`kind`: good or warn; `said`: what came of it, in a sentence."""

    kind: str
    said: str
    state: DemoState


@dataclass(frozen=True, slots=True)
class Request:
    act: str
    by: str = ""
    action_id: str = ""
    worker: str = ""


def look(path: str) -> DemoState | None:
    """`None` where the demo does not answer."""
    try:
        return ask(path, Request("look"), LOOK_SECONDS).state
    except DemoAway:
        return None


def ask(path: str, request: Request, patience_seconds: float = PATIENCE_SECONDS) -> Answer:
    """Raises `DemoAway`: it is not known whether it was done; the same request again does it once."""
    try:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(patience_seconds)
            connection.connect(path)
            connection.sendall(msgspec.json.encode(asdict(request)) + b"\n")
            return msgspec.json.decode(connection.makefile("rb").readline(), type=Answer)
    except (OSError, msgspec.DecodeError) as error:
        raise DemoAway(str(error)) from error
