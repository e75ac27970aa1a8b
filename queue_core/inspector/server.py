"""The server itself: its own figures, its slow log, and what each queue takes of its memory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

from queue_core import decoding, keys, scripts
from queue_core.inspector.reader import Reader
from queue_core.protocol import Argument
from queue_core.snapshot import ServerDetail, SlowCall

SECTIONS = ("server", "clients", "memory", "persistence", "stats", "replication")
SAMPLES = 5
"""Elements of a key at which the server looks to tell how large it is."""
BATCH = 20
"""Queues in one round trip."""


def read_detail(reader: Reader) -> ServerDetail:
    info, save = reader.client.read(("INFO", *SECTIONS), ("CONFIG", "GET", "save"))
    return decoding.server_detail(reader.checked(info, "INFO"), save)


def read_slow_calls(reader: Reader, limit: int) -> tuple[SlowCall, ...]:
    (answer,) = reader.client.read(("SLOWLOG", "GET", limit))
    found = reader.checked(answer, "SLOWLOG")
    return tuple(_slow_call(entry, reader.client.namespace) for entry in found if len(entry) >= 4)


def read_memory(reader: Reader, queues: Sequence[str]) -> dict[str, int]:
    """Queue → bytes of those of its keys that do not expire by themselves. An estimate: the server looks at a few
    elements of each."""
    found: dict[str, int] = {}
    for start in range(0, len(queues), BATCH):
        names = queues[start : start + BATCH]
        wanted = [(name, key) for name in names for key in reader.client.queue(name).named(keys.LASTING)]
        commands: list[Sequence[Argument]] = [("MEMORY", "USAGE", key, "SAMPLES", SAMPLES) for _, key in wanted]
        for (name, key), answer in zip(wanted, reader.client.read(*commands), strict=True):
            found[name] = found.get(name, 0) + decoding.number(reader.checked(answer, key) or 0)
    return found


def _slow_call(entry: Sequence[Any], namespace: str) -> SlowCall:
    client = " ".join(decoding.line(decoding.text(part), 60) for part in entry[4:6] if isinstance(part, bytes) and part)
    return SlowCall(
        id=decoding.number(entry[0]),
        at=decoding.moment(decoding.number(entry[1]) * 1000),
        microseconds=decoding.number(entry[2]),
        command=_command([part for part in entry[3] if isinstance(part, bytes)], namespace),
        client=client,
    )


def _command(words: Sequence[bytes], namespace: str) -> str:
    """Its name and its first key, where that is one of ours."""
    name = decoding.line(decoding.text(words[0] if words else b"?"), 40).upper()
    begin = 1
    if name.startswith(("EVALSHA", "EVAL", "FCALL")):
        sha = decoding.text(words[1] if len(words) > 1 else b"")
        name = _our_scripts().get(sha, f"{name} of a script")
        begin = 3
    key = decoding.text(words[begin]) if len(words) > begin else ""
    return f"{name} {decoding.line(key, 160)}" if key.startswith(f"{namespace}:") else name


@cache
def _our_scripts() -> Mapping[str, str]:
    return {scripts.load(name).sha: name for name in scripts.names()}
