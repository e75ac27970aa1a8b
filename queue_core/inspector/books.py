"""All that was ever counted in many queues; what has not changed since is not read again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from queue_core import decoding
from queue_core.inspector.kept import Kept
from queue_core.inspector.reader import Reader
from queue_core.snapshot import COUNTERS, Figures

_FIELDS = (*COUNTERS, "wait", "run")


class AllBooks:
    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self.kept: Kept[Figures] = Kept()

    def of(self, names: Sequence[str], changes: Mapping[str, int | None]) -> dict[str, Figures]:
        """`changes`: as somebody has seen them before this call. What is read now may be newer than that number: then
        the next one is another, and it is read once more."""
        found = {name: self.kept.get(name, changes.get(name)) for name in names}
        asked = [name for name, figures in found.items() if figures is None]
        client = self._reader.client
        answers = client.read(*(("HMGET", client.queue(name).stats, *_FIELDS) for name in asked)) if asked else []
        for name, answer in zip(asked, answers, strict=True):
            if isinstance(answer, list):
                found[name] = self.kept.put(name, changes.get(name), decoding.figures_of_books(answer))
        self.kept.keep_only(found)  # of queues that are gone nothing stays
        return {name: figures for name, figures in found.items() if figures is not None}
