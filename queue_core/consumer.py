"""The hand-made consumer: claim a few tasks, settle each. For those who bring their own loop."""

from __future__ import annotations

import os
import re
import socket
from collections.abc import Iterable, Iterator
from types import TracebackType
from typing import Any, Self

from queue_core import codec, protocol, reading, verdict
from queue_core.client import Client
from queue_core.errors import Cancelled, InvalidArgument, InvalidResult, LeaseLost, UnreadableEnvelope, shown
from queue_core.keys import QueueKeys
from queue_core.protocol import ClaimedTask, Held, Report, Result
from queue_core.retry import Policy, RetryRules, make_policy


def process_name(prefix: str = "") -> str:
    """How this process is called in leases and histories: `host:pid`."""
    host = re.sub(r"[^A-Za-z0-9_.-]", "-", socket.gethostname())[:80].lstrip(".-") or "host"
    return f"{prefix}{host}:{os.getpid()}"


class Lease:
    """The right to run one task until `expires_at` (Unix milliseconds by the server's clock; as claimed).

    Settle it with exactly one of `complete`, `fail`, `release`; each raises `LeaseLost` where somebody else has the
    task.
    """

    def __init__(self, claim: Claim, task: ClaimedTask, envelope: codec.Envelope, expires_at: int) -> None:
        self._claim = claim
        self._task = task
        self._envelope = envelope
        self.id = task.id
        self.name = envelope.name
        self.priority = envelope.options.priority
        self.headers = envelope.options.headers or {}
        """What middleware sent along."""
        self.attempt = task.counters.attempts + 1
        self.fence = claim.fence
        self.expires_at = expires_at
        self.payload = envelope.payload
        """As it is stored: JSON."""
        self.scheduled_for_ms = envelope.options.scheduled_for
        """The occurrence of its schedule; `None` where no schedule made it."""
        self.args, self.kwargs = codec.decode_payload(envelope.payload)
        self.is_settled = False
        self.is_cancelled = False
        """Whether the task was asked to stop, as `extend` has last heard."""

    @property
    def keeps_result(self) -> bool:
        """Whether the task was declared with `result_ttl`."""
        return self._envelope.options.result_ttl is not None

    def complete(self, result: Any = None) -> None:
        """The task is done. `result`: what it gives back, where it was declared with `result_ttl`.

        Raises `InvalidResult`, and then the task is not settled.
        """
        seconds, kept = self._envelope.options.result_ttl, None
        if seconds is not None:
            kept = Result(codec.encode_result(result), round(seconds * 1000))
        elif result is not None:
            raise InvalidResult(f"task {self.name} keeps no result: declare it with result_ttl=seconds")
        key = self._envelope.options.key_until_end
        held = Held(self.id, self.fence, self._task.has_history, kept, unique_key=key)
        self._settle(self._claim.client.run(protocol.complete(self._claim.queue, [held])))

    def fail(self, error: BaseException | str, *, retry: RetryRules | Policy | None = None) -> None:
        """The attempt failed: the task runs again later, or is a dead letter when no retry is left; `Retry`, `Discard`
        and `DeadLetter` do what they do in a handler. `retry`: when, as in `@yard.task`. A task that was asked to stop
        is cancelled; with a `Cancelled` its attempt does not count as a failure."""
        policy = retry if isinstance(retry, Policy) else make_policy(retry)
        reason = error if isinstance(error, BaseException) else RuntimeError(error)
        worker = self._claim.worker_id
        if self.is_cancelled and isinstance(reason, Cancelled):
            failed = verdict.stopped(self._task, self.fence, self.name, worker=worker)
        else:
            failed = verdict.failed_attempt(
                self._task, self.fence, self.name, self._envelope.options, reason, policy=policy, worker=worker
            )
        self._settle(self._claim.client.run(protocol.fail(self._claim.queue, [failed], self._claim.version)))

    def bury(self, error_class: str, reason: str) -> None:
        """The task can never run: it is a dead letter at once."""
        failed = verdict.never_runs(self._task, self.fence, self.name, error_class, reason, self._claim.worker_id)
        self._settle(self._claim.client.run(protocol.fail(self._claim.queue, [failed], self._claim.version)))

    def hold(self) -> None:
        """Nobody here knows the task's name: it waits in its lane for a consumer or worker that does."""
        held = protocol.ReleasedTask(self.id, self.fence, f"unknown:{self.name}")
        self._settle(self._claim.client.run(protocol.release(self._claim.queue, [held])))

    def release(self) -> None:
        """Give the task back as if it had not been claimed."""
        call = protocol.release(self._claim.queue, [protocol.ReleasedTask(self.id, self.fence)])
        self._settle(self._claim.client.run(call))

    def progress(self, done: float, total: float | None = None, note: str = "") -> None:
        """Tell how far the task is, at the price of a round trip. Raises `InvalidArgument`, `LeaseLost`."""
        report = Report(self.id, self.fence, codec.encode_progress(done, total, note))
        self._check(self._claim.client.run(protocol.progress(self._claim.queue, [report])))

    def extend(self, seconds: float = 30.0) -> None:
        """The lease lasts `seconds` from now. Afterwards `is_cancelled` tells whether the task was asked to stop."""
        extended = self._claim.client.run(
            protocol.extend(self._claim.queue, [Held(self.id, self.fence)], _milliseconds(seconds))
        )
        self._check(extended.lost)
        self.is_cancelled = self.id in extended.cancelled

    def _settle(self, lost: list[str]) -> None:
        self.is_settled = True
        self._check(lost)

    def _check(self, lost: list[str]) -> None:
        if lost:
            raise LeaseLost(f"task {self.id}: {LeaseLost.__doc__}", task_id=self.id)

    def __repr__(self) -> str:
        return f"<Lease {self.name} {self.id} attempt {self.attempt}>"


class Claim:
    """A context manager: on entering it claims, on leaving it releases what was not settled.

    A task whose envelope cannot be read is a dead letter at once, with the reason, and is not among the leases.
    """

    def __init__(
        self,
        client: Client,
        queue: QueueKeys,
        limit: int,
        lease_seconds: float,
        worker_id: str | None,
        version: str,
        *,
        lanes: Iterable[str] = (),
    ) -> None:
        self.client = client
        self.queue = queue
        self.version = version
        self.worker_id = worker_id or process_name("consumer:")
        self.fence = 0
        self.claimed: protocol.Claimed | None = None
        """What the server answered: when more is due, or allowed by the claim rate, what else is ready."""
        self._call = protocol.claim(queue, self.worker_id, limit, _milliseconds(lease_seconds), lanes=lanes)
        self._lease_ms = _milliseconds(lease_seconds)
        self._leases: list[Lease] = []

    def __enter__(self) -> Self:
        claimed = self.claimed = self.client.run(self._call)
        self.fence = claimed.fence
        self._leases, unreadable = [], []
        for task in claimed.tasks:
            try:
                envelope = codec.decode_envelope(task.envelope)
                self._leases.append(Lease(self, task, envelope, claimed.now_ms + self._lease_ms))
            except UnreadableEnvelope as error:
                unreadable.append(
                    verdict.never_runs(
                        task, self.fence, codec.name_of(task.envelope), "UnreadableEnvelope", str(error), self.worker_id
                    )
                )
        if unreadable:
            self.client.run(protocol.fail(self.queue, unreadable, self.version))
        if claimed.has_expired:  # where no worker looks after the queue, its consumers do
            recovered = self.client.run(protocol.recover(self.queue, self._lease_ms))
            if recovered.flagged:
                self.client.run(protocol.recover(self.queue, self._lease_ms, held=recovered.flagged))
        if claimed.has_overdue:
            overdue = self.client.run(reading.list_outstayed(self.queue)).overdue
            self.client.run(protocol.expire(self.queue, overdue))
        return self

    def __iter__(self) -> Iterator[Lease]:
        return iter(self._leases)

    def __len__(self) -> int:
        return len(self._leases)

    def __getitem__(self, index: int) -> Lease:
        return self._leases[index]

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        left = [protocol.ReleasedTask(lease.id, lease.fence) for lease in self._leases if not lease.is_settled]
        if left:
            self.client.run(protocol.release(self.queue, left))


def _milliseconds(seconds: Any) -> int:
    if not isinstance(seconds, int | float) or isinstance(seconds, bool) or not 0 < seconds <= 86_400:
        raise InvalidArgument(f"lease of {shown(seconds, 80)} s is not accepted: more than 0 s, at most 24 h")
    return max(1, round(seconds * 1000))
