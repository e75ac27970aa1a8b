"""What is common to all calls: how one becomes a command, and how parts of answers are read."""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from queue_core import scripts, settings
from queue_core.errors import CorruptQueue, InvalidArgument, TaskyardError, shown
from queue_core.keys import FORMAT, QueueKeys

T = TypeVar("T")
Argument = bytes | str | int | float


@dataclass(frozen=True, slots=True)
class Call(Generic[T]):
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

    def command(self, call: Call[Any], now_ms: int | None = None) -> list[Argument]:
        """The EVALSHA of a call. A new one each time: to send a call again, send the same command again."""
        now: Argument = "" if now_ms is None else now_ms
        if call.is_global:
            return ["EVALSHA", call.script.sha, len(call.keys), *call.keys, FORMAT, now, *call.arguments]
        keys = (*call.queue.named(call.script.keys), *call.keys)
        if not call.has_session:
            head: list[Argument] = [call.queue.control, *keys, FORMAT, now]
            return ["EVALSHA", call.script.sha, 1 + len(keys), *head, *call.arguments]
        self.sequence += 1
        session = call.queue.session(f"{self.id}.{call.script.name}")
        head = [call.queue.control, session, *keys, FORMAT, now, self.sequence]
        return ["EVALSHA", call.script.sha, 2 + len(keys), *head, *call.arguments]


def with_text(command: Sequence[Argument], script: scripts.Script) -> list[Argument]:
    """The same command for a server that does not know the script yet."""
    return ["EVAL", script.text, *command[2:]]


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
