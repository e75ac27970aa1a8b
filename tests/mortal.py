"""Somebody who dies in the midst of what takes several calls."""

from __future__ import annotations

from typing import TypeVar

from queue_core.client import Client
from queue_core.protocol import Call, Session
from tests.engine import Engine

T = TypeVar("T")


class Died(BaseException):
    """The process is gone."""


class Mortal(Client):
    """Dies at its nth call: before it is sent, or when its answer is lost."""

    def __init__(self, engine: Engine, calls: int, *, is_sent: bool) -> None:
        super().__init__(engine.url, engine.client.namespace, clock=lambda: engine.now)
        self._left = calls
        self._is_sent = is_sent

    def run(self, call: Call[T], session: Session | None = None) -> T:
        self._left -= 1
        if self._left:
            return super().run(call, session)
        if self._is_sent:
            super().run(call, session)
        raise Died
