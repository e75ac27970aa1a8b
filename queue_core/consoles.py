"""What the consoles of a namespace know of one another: whose sign-in has ended, and how often somebody tried what is
limited."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping

from queue_core import connection, keys, protocol
from queue_core.client import Client

MOST_ENDED = 10_000
"""Sign-ins that ended before their time; the ones that would be over first make room."""


class Consoles:
    """Threads may share one. Raises `ServerUnavailable`, `ServerRefused`, `ServerFull`, `AccessDenied`.

    Times are seconds by the clock of the console's host, as those of sign-ins are. No name, address or password is
    stored: of what is tried only a digest.
    """

    def __init__(
        self,
        url: str | None = None,
        namespace: str | None = None,
        *,
        answer_seconds: float = connection.ANSWER_SECONDS,
        client: Client | None = None,
    ) -> None:
        self._client = client or Client(url, namespace, patience_seconds=0, answer_seconds=answer_seconds)

    def close(self) -> None:
        self._client.close()

    def end_sign_in(self, sign_in_id: str, until: float, now: float) -> None:
        """No console lets it in again. `until`: when it would be over anyway."""
        place = self._client.queue(keys.NO_QUEUE)
        self._client.run(protocol.end_sign_in(place, sign_in_id, until, now, MOST_ENDED))

    def ended_sign_ins(self, now: float) -> frozenset[str]:
        """Those that ended before their time, at most 10,000."""
        ended = keys.ended_sign_ins(self._client.namespace)
        (found,) = connection.checked(self._client.read(("ZRANGEBYSCORE", ended, now, "+inf")), self._client.url)
        return frozenset(member.decode("ascii", "replace") for member in found)

    def try_once(self, most: Mapping[str, int], seconds: float, attempt: str) -> float:
        """One more try of each of these, of which so many are allowed in `seconds` from the first. 0, or, where one has
        had its most, how many seconds to wait: then it does not count. `attempt`: its id, under which it counts once,
        however often it is sent."""
        window = round(seconds * 1000)
        commands = [
            command
            for what in most
            for key in (self._tries(what),)
            for command in (("SADD", key, attempt), ("PEXPIRE", key, window, "NX"), ("SCARD", key), ("PTTL", key))
        ]
        answers = self._client.write(*commands)
        waits = [
            max(1, left_ms) / 1000
            for count, left_ms, limit in zip(answers[2::4], answers[3::4], most.values(), strict=True)
            if count > limit
        ]
        if waits:
            self.give_back(most, attempt)
        return max(waits, default=0.0)

    def give_back(self, tries: Iterable[str], attempt: str, *, all_of: str | None = None) -> None:
        """That attempt does not count for any of these; none at all does any more for `all_of`."""
        commands: list[tuple[str, ...]] = [("SREM", self._tries(what), attempt) for what in tries]
        self._client.write(*commands, *([("DEL", self._tries(all_of))] if all_of is not None else []))

    def _tries(self, what: str) -> str:
        return keys.tries(self._client.namespace, hashlib.blake2b(what.encode(), digest_size=12).hexdigest())
