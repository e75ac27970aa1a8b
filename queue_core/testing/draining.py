"""Everything that is ready runs in this process, by the real engine: claimed, run, settled."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import Any

from queue_core import protocol
from queue_core.consumer import Claim, Lease, process_name
from queue_core.context import Context, Signals
from queue_core.errors import InvalidArgument, PayloadMismatch, TooManyTasks, UnknownTask
from queue_core.protocol import Claimed, Report
from queue_core.snapshot import State
from queue_core.testing.clock import Clock
from queue_core.testing.running import Run, call
from queue_core.yard import Taskyard

MOST_RUNS = 1_000
LEASE_MS = 30_000
MOST_IDLE_TIMES = 100
"""How often in a row the clock is moved on and nothing runs, as where what is due is paused."""


def drain(
    yard: Taskyard,
    queues: Iterable[str] | None = None,
    *,
    advance: bool = False,
    raises: bool = False,
    most: int = MOST_RUNS,
) -> list[Run]:
    """Run what is ready in `queues` (else in those of the yard's tasks) until nothing is, one task at a time.

    With `advance`, the yard's `Clock` is moved on to when the next task is due, so that delays and retries run as well.
    Shape: the runs, in their order; with `raises`, the first error of a handler is raised once its task is settled.
    Raises `TooManyTasks` after `most` runs, `InvalidResult` for a result that cannot be kept.
    """
    names = sorted({task.queue for task in yard.tasks.values()} if queues is None else {*queues})
    clock = yard.clock if isinstance(yard.clock, Clock) else None
    if advance and clock is None:
        raise InvalidArgument("advance needs a yard whose clock is a testing.Clock")
    drainer = _Drainer(yard, raises, most)
    idle_times = 0
    while True:
        ran_before = len(drainer.runs)
        wait_ms = drainer.drain(names)
        idle_times = idle_times + 1 if len(drainer.runs) == ran_before else 0
        if wait_ms is None or clock is None or not advance or idle_times > MOST_IDLE_TIMES:
            return drainer.runs
        clock.advance(milliseconds=wait_ms)


class _Drainer:
    def __init__(self, yard: Taskyard, raises: bool, most: int) -> None:
        self.runs: list[Run] = []
        self._yard = yard
        self._raises = raises
        self._most = most

    def drain(self, queues: Sequence[str]) -> int | None:
        """Run what is ready now. Returns how many ms later there may be more; `None`: never."""
        while True:
            waits: list[int] = []
            count = len(self.runs)
            for queue in queues:
                while (claimed := self._step(queue)).tasks:
                    pass
                if claimed.has_expired:
                    waits.append(LEASE_MS)  # after a silence nothing is recovered for one lease
                moments = (claimed.next_due_ms, claimed.next_token_ms)
                waits += [at - claimed.now_ms for at in moments if at is not None and at > claimed.now_ms]
            if len(self.runs) == count:  # else a handler may have enqueued for a queue that was looked at before
                return min(waits, default=None)

    def _step(self, queue: str) -> Claimed:
        """Claim one task, run it, settle it."""
        client = self._yard.client
        lanes = [f"unknown:{name}" for name in self._yard.tasks]
        seconds = LEASE_MS / 1000
        claim = Claim(client, client.queue(queue), 1, seconds, process_name("drain:"), self._yard.version, lanes=lanes)
        with claim:
            for lease in claim:
                if len(self.runs) >= self._most:
                    raise TooManyTasks(
                        f"{self._most:,} tasks have run and the next is {lease.name}: do they never end?"
                    )
                self.runs.append(self._run(queue, lease))
        assert claim.claimed is not None
        if self._raises and claim.claimed.tasks and self.runs and self.runs[-1].error is not None:
            raise self.runs[-1].error
        return claim.claimed

    def _run(self, queue: str, lease: Lease) -> Run:
        definition = self._yard.tasks.get(lease.name)
        arguments: Sequence[Any] = lease.args
        named: Mapping[str, Any] = lease.kwargs
        result: Any = None
        error: BaseException | None = None
        try:
            if definition is not None:
                arguments, named = definition.decode(lease.payload)
        except PayloadMismatch as misfit:
            error = misfit
        if definition is None:
            lease.hold()
        elif error is not None:
            lease.bury(type(error).__name__, str(error))
        else:
            signals = Signals(partial(self._tell, queue, lease))
            context = Context(
                lease.id,
                lease.name,
                queue,
                lease.attempt,
                lease.fence,
                signals,
                lease.scheduled_for_ms,
                lease.headers,
            )
            result, error = call(partial(definition.call, arguments, named, context))
            if error is None:
                lease.complete(result if lease.keeps_result else None)
            else:
                lease.fail(error, retry=definition.policy)
        state = self._state(queue, lease.id)
        return Run(lease.id, lease.name, queue, lease.attempt, arguments, named, state, result, error)

    def _tell(self, queue: str, lease: Lease, progress: bytes) -> None:
        """How far a handler is: at once, as nobody else sends it."""
        client = self._yard.client
        client.run(protocol.progress(client.queue(queue), [Report(lease.id, lease.fence, progress)]))

    def _state(self, queue: str, task_id: str) -> State:
        try:
            return self._yard.inspector.task(queue, task_id).state
        except UnknownTask:  # it ended well, and has no history
            return State.COMPLETED
