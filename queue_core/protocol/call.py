"""What is common to all calls: how one becomes a command, and how parts of answers are read."""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Generic, NamedTuple, TypeVar

import hiredis

from queue_core import scripts, settings
from queue_core.errors import CorruptQueue, InvalidArgument, TaskyardError, shown
from queue_core.keys import FORMAT, QueueKeys

T = TypeVar("T")
Argument = bytes | str | int | float
MAX_PACKED_HEADS = 256
"""Of a session: each takes about 1 kB."""


class Call(NamedTuple, Generic[T]):
    """One call of one script. `arguments`: those behind what all scripts begin with; `keys`: those behind the ones that
    the script's header names."""

    script: scripts.Script
    queue: QueueKeys
    arguments: Sequence[Argument]
    read: Callable[[Any], T]
    keys: Sequence[str] = ()
    has_session: bool = True
    is_global: bool = False
    """It has no key of its queue: another slot has what it changes."""

    def types(self) -> dict[str, str]:
        """Those of its keys that its script's header names → type, as TYPE says it."""
        own = {} if self.is_global else {self.queue.control: "hash"}
        return own | dict(zip(self.queue.named(self.script.keys), self.script.types, strict=True))

    def result(self, answer: Any) -> T:
        """What an answer says. Raises what `read` does, and `CorruptQueue`: a damaged session answers with anything."""
        try:
            return self.read(answer)
        except TaskyardError:
            raise
        except (TypeError, ValueError, LookupError, AttributeError) as error:
            raise CorruptQueue(
                f"the queue's data is damaged: {self.script.name} got what is no answer to it: {shown(answer, 100)}"
            ) from error


class Session:
    """Numbers the calls of somebody who has at most one in flight, so that one whose answer was lost can be sent again.

    Each script counts in a session of its own: a pipeline may carry one call of each.
    """

    def __init__(self, session_id: str | None = None, sequence: int = 0) -> None:
        self.id = session_id or secrets.token_urlsafe(9)
        self.sequence = sequence
        self._packed_heads: dict[tuple[QueueKeys, str], tuple[int, bytes]] = {}
        """By queue and script: of how many arguments, and they themselves."""

    def command(self, call: Call[Any], now_ms: int | None = None) -> list[Argument]:
        """The EVALSHA of a call. A new one each time: to send a call again, send the same command again."""
        return [*self._head(call), *self._rest(call, now_ms)]

    def packed(self, call: Call[Any], now_ms: int | None = None) -> bytes:
        """The same as it goes over the wire. What all calls of a script on a queue begin with is packed once."""
        if call.keys:
            return pack(self.command(call, now_ms))
        kind = call.queue, call.script.sha
        known = self._packed_heads.get(kind)
        if known is None:
            if len(self._packed_heads) == MAX_PACKED_HEADS:
                self._packed_heads.clear()
            head = self._head(call)
            known = self._packed_heads[kind] = len(head), _without_count(pack(head))
        rest = self._rest(call, now_ms)
        return b"*%d\r\n%b%b" % (known[0] + len(rest), known[1], _without_count(pack(rest)))

    def _head(self, call: Call[Any]) -> list[Argument]:
        """What does not change from call to call, but for the number of keys."""
        if call.is_global:
            return ["EVALSHA", call.script.sha, len(call.keys)]
        keys = call.queue.named(call.script.keys)
        if not call.has_session:
            return ["EVALSHA", call.script.sha, 1 + len(keys) + len(call.keys), call.queue.control, *keys]
        session = call.queue.session(f"{self.id}.{call.script.name}")
        return ["EVALSHA", call.script.sha, 2 + len(keys) + len(call.keys), call.queue.control, session, *keys]

    def _rest(self, call: Call[Any], now_ms: int | None) -> list[Argument]:
        now: Argument = "" if now_ms is None else now_ms
        if call.is_global or not call.has_session:
            return [*call.keys, FORMAT, now, *call.arguments]
        self.sequence += 1
        return [*call.keys, FORMAT, now, self.sequence, *call.arguments]


def with_text(command: Sequence[Argument], script: scripts.Script) -> list[Argument]:
    """The same command for a server that does not know the script yet."""
    return ["EVAL", script.text, *command[2:]]


def packed_with_text(packed: bytes, script: scripts.Script) -> bytes:
    """As `with_text`, of a packed command."""
    known, told = (_without_count(pack(beginning)) for beginning in (["EVALSHA", script.sha], ["EVAL", script.text]))
    return packed.replace(known, told, 1)


def pack(command: Sequence[Argument]) -> bytes:
    """A command as it is sent. redis-py's own way looks at each of a batch's thousand arguments in Python first."""
    packed: bytes = hiredis.pack_command(tuple(command))  # type: ignore[arg-type]
    return packed


def _without_count(packed: bytes) -> bytes:
    """The arguments of a packed command, without how many they are."""
    return packed[packed.index(b"\n") + 1 :]


def check_batch(tasks: Sequence[object]) -> None:
    """A script works through its batch in one go, while nobody else is served; and Lua cannot unpack 8,000 values."""
    if len(tasks) > settings.MAX_BATCH:
        raise InvalidArgument(f"{len(tasks):,} tasks in one call are not accepted: at most {settings.MAX_BATCH}")


def check_limit(verb: str, limit: object, least: int) -> None:
    if not isinstance(limit, int) or isinstance(limit, bool) or not least <= limit <= settings.MAX_BATCH:
        raise InvalidArgument(f"{verb} limit {shown(limit)} is not accepted: {least} to {settings.MAX_BATCH} tasks")


# Reading answers, writing facts.


def texts(answer: Iterable[bytes]) -> list[str]:
    return [text(item) for item in answer]


def pairs(answer: Sequence[bytes]) -> dict[str, str]:
    return {text(answer[i]): text(answer[i + 1]) for i in range(0, len(answer), 2)}


def text(data: bytes) -> str:
    """What is stored may be damaged: reading it never fails."""
    return data.decode("utf-8", "backslashreplace")


def to_json(value: Mapping[str, object]) -> bytes:
    """One line. Where a script puts more facts behind them, there is at least one."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), default=str).encode("utf-8", "replace")
