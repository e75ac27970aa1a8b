"""Runs for tests of what runs handlers: they belong to no task of a queue."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from queue_core import Context, Taskyard
from queue_core.task import Definition
from queue_core.worker.run import Run


class TestRun(Run):
    """`when_ended` gets it when it has ended."""

    __test__ = False

    def __init__(
        self,
        definition: Definition,
        arguments: Sequence[Any] = (),
        named: Mapping[str, Any] | None = None,
        *,
        when_ended: Callable[[Any], None],
        context: Context | None = None,
        stored: bytes = b"",
    ) -> None:
        super().__init__(definition, arguments, named or {})
        self._given = context or Context("id", definition.name, "queue", 1, 7)
        self.signals = self._given.signals
        self.begins: list[float] = []
        self._when_ended = when_ended
        self._stored = stored

    def on_begin(self) -> None:
        self.begins.append(self.began)

    def on_end(self) -> None:
        self._when_ended(self)

    def make_context(self) -> Context:
        return self._given

    @property
    def stored(self) -> bytes:
        return self._stored


def run_of(handler: Callable[..., Any], when_ended: Callable[[Any], None], timeout: float | None = 30) -> TestRun:
    return TestRun(Taskyard().task(name="handler", timeout=timeout)(handler).definition, when_ended=when_ended)
