"""How reads are sent: many calls in one round trip, each answered by its value or by an error."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, TypeVar

from queue_core import connection, decoding, keys
from queue_core.client import Client
from queue_core.errors import CorruptQueue, InvalidArgument, ServerUnavailable, TaskyardError, UnknownQueue
from queue_core.protocol import Argument, Call, Session, with_text

T = TypeVar("T")


class Reader:
    """Asks one server; threads may share one."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self._session = Session("")  # none of these calls has one

    def one(self, call: Call[T]) -> T:
        answers, _ = self.ask([call])
        return value_of(answers[0])

    def ask(self, calls: Sequence[Call[T]], *commands: Sequence[Argument]) -> tuple[list[T | TaskyardError], list[Any]]:
        """Calls and commands in one round trip. An error stands in its answer's place.

        A server that does not know a script yet is sent its text, with the first call of it.
        """
        now = self.client.clock() if self.client.clock else None
        sent = [_read_only(self._session.command(call, now)) for call in calls]
        answers = self.client.read(*sent, *commands) if sent or commands else []
        unknown = [i for i, a in enumerate(answers[: len(calls)]) if isinstance(a, connection.NO_SCRIPT)]
        if unknown:
            told: set[str] = set()
            again = []
            for i in unknown:
                script = calls[i].script
                again.append(sent[i] if script.sha in told else ["EVAL_RO", *with_text(sent[i], script)[1:]])
                told.add(script.sha)
            for i, answer in zip(unknown, self.client.read(*again), strict=True):
                answers[i] = answer
        values = [self._result_of(call, answer) for call, answer in zip(calls, answers, strict=False)]
        away = next((value for value in values if isinstance(value, ServerUnavailable)), None)
        if away:
            raise away
        return values, answers[len(calls) :]

    def _result_of(self, call: Call[Any], answer: Any) -> Any:
        if not isinstance(answer, Exception):
            try:
                return call.result(answer)
            except TaskyardError as unreadable:
                return unreadable
        error = connection.translate(answer, self.client.url)
        if isinstance(error, UnknownQueue):
            return UnknownQueue(f"there is no queue {call.queue.queue}", queue=call.queue.queue)
        if isinstance(error, CorruptQueue):
            return self.client.which_is_damaged(call, error)
        return error

    def now_ms(self, time: Any) -> int:
        """`time`: the answer to `TIME`."""
        if self.client.clock:
            return self.client.clock()
        if isinstance(time, Exception):
            raise connection.translate(time, self.client.url) from time
        return connection.time_ms(time)

    def checked(self, answer: Any, key: str) -> Any:
        """The answer of a command on that key; raises what it says instead of one."""
        if not isinstance(answer, Exception):
            return answer
        if "WRONGTYPE" in str(answer):
            raise connection.damaged(key) from answer
        raise connection.translate(answer, self.client.url) from answer

    def queue_names(self, among: Iterable[str] | None = None) -> list[str]:
        """Of `among` those that can be names; without it the registered queues, in order, which is one round trip."""
        if among is not None:
            return [name for name in dict.fromkeys(among) if keys.is_name(name)]
        (registry,) = self.client.read(("SMEMBERS", keys.queues(self.client.namespace)))
        return self.names_in(registry)[0]

    def names_in(self, registry: Any) -> tuple[list[str], dict[str, str]]:
        """The registered names in order, and what stands there and is no name."""
        names, unreadable = [], {}
        for member in self.checked(registry, keys.queues(self.client.namespace)):
            name = decoding.text(member)
            try:
                names.append(keys.check_name("queue", name))
            except InvalidArgument:
                unreadable[decoding.line(name, 140)] = "this is not the name of a queue"
        return sorted(names), unreadable


def value_of(answer: T | TaskyardError) -> T:
    if isinstance(answer, TaskyardError):
        raise answer
    return answer


def _read_only(command: list[Argument]) -> list[Argument]:
    return ["EVALSHA_RO", *command[1:]]
