"""One process of a worker: claims, runs handlers, settles."""

from __future__ import annotations

import asyncio
import logging
import math
import time
from collections import deque
from collections.abc import Callable, Sequence
from functools import partial

import msgspec

from queue_core import codec, verdict
from queue_core.aio import AsyncClient
from queue_core.errors import PayloadMismatch, TaskyardError, UnreadableEnvelope
from queue_core.ids import is_task_id
from queue_core.protocol import ClaimedTask, FailedTask, Held, ReleasedTask, Report, Session
from queue_core.settings import MAX_CRASHES
from queue_core.worker import leases
from queue_core.worker.allocator import Allocator
from queue_core.worker.exchanger import LISTEN_SECONDS, Exchanger
from queue_core.worker.executor import Executor
from queue_core.worker.holding import Holding, NoSlot, OnTrial
from queue_core.worker.isolation import Isolation
from queue_core.worker.leases import LeaseTable
from queue_core.worker.loops import Loop
from queue_core.worker.measures import COMPLETED, CRASHED
from queue_core.worker.orders import CANCEL, DRAIN, MAX_AHEAD, QUIET, RESUME, STOP, Orders
from queue_core.worker.outcome import STOPPED, failure_of, hard_timeout, result_of
from queue_core.worker.progress import Reports
from queue_core.worker.run import Run
from queue_core.worker.stacks import stack_of
from queue_core.yard import Taskyard

log = logging.getLogger("taskyard.worker")

AHEAD_SECONDS = 0.005
"""Worth of run time that is claimed beyond the free slots, by the mean of what ran lately: short tasks come in large
batches, long ones are never hoarded."""
AHEAD_PATIENCE_SECONDS = 0.1
"""When all slots are taken for so long and none becomes free, nothing is claimed ahead, and what was claimed and could
not begin is given back: others may have hands free."""
SIGN_SECONDS = 1.0
"""So often a process shows that it lives."""
PULSE_SECONDS = 2.0
"""When it has heard nothing of the server for so long, it asks for a sign of life."""
MAX_TOLD = 1_000
"""Names of unknown tasks that are told of, each once."""


class Process:
    """Everything of one process: the exchangers of its queues, the executor, and what waits between them."""

    def __init__(self, yard: Taskyard, orders: Orders, table: LeaseTable, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._yard = yard
        self._orders = orders
        self._table = table
        self._queues = list(orders.queues)
        self._allocator = Allocator(orders.concurrency, orders.queues)
        self._executor: Executor[Holding] = Executor(loop, orders.concurrency)
        isolated = [definition for definition in yard.tasks.values() if definition.isolation is not None]
        if isolated:
            isolation = Isolation(orders.app, orders.worker_id, orders.log_level, self._executor.end)
            self._executor.isolation = isolation
            if any(definition.queue in orders.queues for definition in isolated):
                isolation.prepare()
        self._client = AsyncClient(
            yard.url, yard.namespace, patience_seconds=math.inf, on_trouble=self._on_trouble, knows_password=True
        )
        self._client.heard_at = loop.time()
        self._listening_client = AsyncClient(
            yard.url, yard.namespace, patience_seconds=0, answer_seconds=LISTEN_SECONDS + 5
        )
        self._exchangers = {
            queue: Exchanger(
                self._client,
                self._listening_client,
                queue,
                orders.worker_id,
                orders.lease_ms,
                yard.version,
                self._allocator,
                self._take,
                self._runnable,
                self._after_exchange,
                Session(orders.session_id),
                partial(table.note_claim, index),
            )
            for index, queue in enumerate(self._queues)
        }
        self._on_trial: Holding | None = None
        self._suspects: deque[Holding] = deque()  # wait for the end of that one
        self._held: dict[int, Holding] = {}  # by slot: what waits or runs
        self._reports = Reports(loop, lambda queue, report: self._exchangers[queue].report(report))
        self._patience: asyncio.TimerHandle | None = None
        self._last_end = 0.0
        self._is_waking = False
        self._completed = 0
        self._failed = 0
        self._ahead = 0
        self._mean_seconds: float | None = None
        self._has_trouble = False
        self._told_unknown: set[str] = set()
        self._state = leases.STARTING
        self._is_draining = False
        self._has_stopped = asyncio.Event()

    async def run(self) -> None:
        """Work until told to stop, and everything is settled."""
        self._state = leases.RUNNING
        self._publish()
        loops = [asyncio.create_task(exchanger.run()) for exchanger in self._exchangers.values()]
        loops += [asyncio.create_task(exchanger.listen()) for exchanger in self._exchangers.values()]
        stopped = asyncio.create_task(self._has_stopped.wait())
        Loop("signs", SIGN_SECONDS, self._show_signs).start()
        Loop("pulse", PULSE_SECONDS / 2, self._hear).start()
        for exchanger in self._exchangers.values():
            exchanger.wake()
        done, _ = await asyncio.wait([stopped, *loops], return_when=asyncio.FIRST_COMPLETED)
        for loop in done - {stopped}:
            loop.result()  # an error of a loop ends the process, and the supervisor starts another

    # Told by the supervisor.

    def obey(self, order: bytes) -> None:
        if order == QUIET and self._state == leases.RUNNING:
            self._state = leases.QUIET
            self._stop_claiming()
        elif order == RESUME and self._state == leases.QUIET:
            self._state = leases.RUNNING
            for exchanger in self._exchangers.values():
                exchanger.start_claiming()
        elif order in (STOP, DRAIN):
            self._is_draining |= order == DRAIN
            self._state = leases.STOPPING
            self._stop_claiming()
            for exchanger in self._exchangers.values():
                exchanger.finish()
            self._release_waiting()
        elif order == CANCEL:
            for holding in list(self._held.values()):
                signals = holding.signals
                if not signals.is_lease_lost and self._table.is_lost(holding.slot, holding.fence):
                    log.warning(
                        "queue %s: the lease of task %s is lost: it is stopped", holding.queue, holding.claimed.id
                    )
                    self._stop(holding, self._executor.lose)
                elif not signals.is_cancelled and self._table.is_cancelled(holding.slot, holding.fence):
                    self._stop(holding, self._executor.cancel)
        self._publish()

    def _stop(self, holding: Holding, stop: Callable[[Run], None]) -> None:
        """What runs is to stop; what has not begun is given back, and ends with that where it is to end."""
        if holding in self._suspects:
            self._suspects.remove(holding)
            self._give_back(holding)
        elif self._executor.withdraw(holding):
            self._give_back(holding)
        else:
            stop(holding)

    def write_will(self) -> None:
        """Say where the handlers are that have outstayed their hard timeout, for the supervisor to settle their tasks.
        Called by any thread: the event loop may be what a handler keeps."""
        left, size = [], 2
        for holding in self._overdue():
            error, seconds = hard_timeout(holding.definition), time.monotonic() - holding.began
            told = msgspec.json.encode(self._describe(holding, error.with_traceback(stack_of(holding)), seconds))
            size += len(told) + 1
            if size <= leases.MAX_WILL:
                left.append(told)
        self._table.leave(b"[%b]" % b",".join(left))

    def _overdue(self) -> list[Holding]:
        now_ms = time.monotonic_ns() // 1_000_000
        return [holding for holding in list(self._held.values()) if 0 < holding.deadline_ms <= now_ms]

    def _stop_claiming(self) -> None:
        for exchanger in self._exchangers.values():
            exchanger.stop_claiming()

    # From claim to settlement.

    def _runnable(self, lanes: Sequence[str]) -> list[str]:
        return [lane for lane in lanes if lane.startswith("unknown:") and lane[8:] in self._yard.tasks]

    def _take(self, queue: str, task: ClaimedTask, fence: int) -> None:
        """A task was claimed: begin it, or say at once why it cannot run here, or ever."""
        exchanger = self._exchangers[queue]
        if not is_task_id(task.id):  # damaged: it cannot be settled by its name, and is quarantined in the end
            log.error("queue %s: %r is no id of a task; it is left alone", queue, task.id[:150])
            self._allocator.give_back(1)
            return
        try:
            envelope = codec.decode_envelope(task.envelope)
        except UnreadableEnvelope as error:
            self._bury(queue, task, fence, error)
            return
        definition = self._yard.tasks.get(envelope.name)
        if definition is None:
            self._tell_unknown(queue, envelope.name)
            exchanger.release(ReleasedTask(task.id, fence, f"unknown:{envelope.name}"), NoSlot())
            return
        try:
            arguments, named = definition.decode(envelope.payload)
        except (UnreadableEnvelope, PayloadMismatch) as error:
            self._bury(queue, task, fence, error)
            return
        if self._state == leases.STOPPING or not self._table.free:
            exchanger.release(ReleasedTask(task.id, fence), NoSlot())
            return
        now = time.monotonic()
        slot = self._table.hold(self._queues.index(queue), task.id, envelope.name, fence, int(now * 1000))
        holding = Holding(
            definition,
            arguments,
            named,
            queue,
            task,
            fence,
            envelope,
            self._table,
            slot,
            now,
            self._note_progress,
            self._note_end,
        )
        self._held[slot] = holding
        if not (task.counters.crashes and self._has_to_wait(holding)):
            self._submit(holding)

    def _submit(self, holding: Holding) -> None:
        self._executor.submit(holding)
        if self._patience is None and self._executor.is_full:
            self._patience = self._loop.call_later(AHEAD_PATIENCE_SECONDS, self._lose_patience)

    def _tell_unknown(self, queue: str, name: str) -> None:
        if name not in self._told_unknown and len(self._told_unknown) < MAX_TOLD:
            self._told_unknown.add(name)
            log.warning(
                "queue %s: task %s is not known here; its tasks are held for a worker that knows it", queue, name
            )

    def _bury(self, queue: str, task: ClaimedTask, fence: int, error: TaskyardError) -> None:
        name = codec.name_of(task.envelope)
        failed = verdict.never_runs(task, fence, name, type(error).__name__, str(error), self._orders.worker_id)
        self._exchangers[queue].fail(failed, NoSlot())

    def _lose_patience(self) -> None:
        """Long tasks came where short ones were expected: give back what waits, and claim nothing ahead for now."""
        self._patience = None
        if not self._executor.is_full:
            return
        waiting = self._executor.first_waiting
        since = self._last_end if waiting is None else waiting.since
        wait = since + AHEAD_PATIENCE_SECONDS - time.monotonic()
        if wait > 0:
            self._patience = self._loop.call_later(wait, self._lose_patience)
            return
        self._measure(2 * AHEAD_SECONDS * self._orders.concurrency, weight=1.0)
        self._release_waiting()

    def _release_waiting(self) -> None:
        waiting = [*self._executor.withdraw_all(), *self._suspects]
        self._suspects.clear()
        for holding in waiting:
            self._give_back(holding)

    def _give_back(self, holding: Holding) -> None:
        del self._held[holding.slot]
        self._exchangers[holding.queue].release(ReleasedTask(holding.claimed.id, holding.fence), holding)
        if holding is self._on_trial:
            self._end_trial()

    def _has_to_wait(self, holding: Holding) -> bool:
        """Of the tasks whose next crash is their last, one runs at a time: what has killed this process before and what
        was beside it then are not together in it when it dies again, so that only the one is quarantined."""
        allowed = holding.envelope.options.max_crashes
        is_last = holding.claimed.counters.crashes >= (MAX_CRASHES if allowed is None else allowed)
        if not is_last or holding.definition.isolation:  # that one endangers its own process only
            return False
        if self._on_trial is not None:
            self._suspects.append(holding)
            return True
        self._on_trial = holding
        return False

    def _end_trial(self) -> None:
        self._on_trial = None
        if self._suspects:
            self._on_trial = self._suspects.popleft()
            self._submit(self._on_trial)

    def _note_progress(self, queue: str, task_id: str, fence: int, progress: bytes) -> None:
        self._reports.note(queue, Report(task_id, fence, progress))

    def _note_end(self, holding: Holding) -> None:
        del self._held[holding.slot]
        slot = holding if holding is not self._on_trial else OnTrial(holding, self._end_trial)
        seconds, error, isolated = holding.seconds, holding.error, holding.isolated
        self._last_end = holding.began + seconds
        self._measure(seconds)
        if not self._is_waking and len(self._exchangers) > 1:
            self._is_waking = True
            self._loop.call_soon(self._wake_exchangers)
        task, fence, envelope = holding.claimed, holding.fence, holding.envelope
        exchanger = self._exchangers[holding.queue]
        if holding.signals.is_lease_lost:
            exchanger.forget(slot)
            return
        if error is None:
            self._completed += 1
            outcome = COMPLETED
            result = result_of(envelope, holding.result) if isolated is None else isolated.kept
            key = envelope.options.key_until_end
            exchanger.complete(Held(task.id, fence, task.has_history, result, unique_key=key), slot)
        elif holding.signals.is_cancelled and isinstance(error, STOPPED):
            worker_id = self._orders.worker_id
            stopped = verdict.stopped(task, fence, envelope.name, worker=worker_id, seconds=seconds)
            outcome = stopped.verdict
            exchanger.fail(stopped, slot)
        elif isolated is not None and isolated.crash is not None:
            outcome = CRASHED
            exchanger.crash(Held(task.id, fence), isolated.crash, slot)
        else:
            self._failed += 1
            told = None if isolated is None else isolated.failed
            failed = told or self._describe(holding, error, seconds)
            outcome = failed.verdict
            exchanger.fail(failed, slot)
        wait_ms = task.waited_ms + (holding.began - holding.since) * 1_000
        exchanger.measure(envelope.name, outcome, wait_ms, seconds * 1_000, self._last_end)

    def _describe(self, holding: Holding, error: BaseException, seconds: float) -> FailedTask:
        worker_id = self._orders.worker_id
        return failure_of(
            holding.claimed, holding.fence, holding.envelope, holding.definition, error, worker_id, seconds
        )

    def _measure(self, seconds: float, weight: float = 0.1) -> None:
        """Claim further ahead while tasks are short: what AHEAD_SECONDS are worth at the mean run time."""
        mean = seconds if self._mean_seconds is None else (1 - weight) * self._mean_seconds + weight * seconds
        self._mean_seconds = mean
        ahead = min(int(self._orders.concurrency * AHEAD_SECONDS / max(mean, 1e-6)), MAX_AHEAD)
        if ahead != self._ahead:
            self._allocator.resize(ahead - self._ahead)
            self._ahead = ahead

    def _after_exchange(self) -> None:
        self._wake_exchangers()
        self._publish()

    def _wake_exchangers(self) -> None:
        """A slot that one queue has left may be for another one."""
        self._is_waking = False
        if len(self._exchangers) > 1:
            for exchanger in self._exchangers.values():
                exchanger.wake()

    # Told to the supervisor.

    def _publish(self) -> None:
        trouble = leases.AWAY if self._has_trouble else leases.NO_TROUBLE
        if not trouble and all(exchanger.is_refused for exchanger in self._exchangers.values()):
            trouble = leases.REFUSED
        under_way = len(self._held) - (len(self._overdue()) if self._is_draining else 0)
        is_empty = under_way <= 0 and all(e.is_settled for e in self._exchangers.values())
        state = leases.IDLE if is_empty and self._state == leases.QUIET else self._state
        self._table.publish(self._completed, self._failed, state, trouble)
        if self._state == leases.STOPPING and is_empty:
            self._has_stopped.set()

    async def _show_signs(self) -> None:
        """That this process lives: its event loop turns, and when it last heard of the server."""
        now_ms = time.monotonic_ns() // 1_000_000
        silent_ms = round((self._loop.time() - self._client.heard_at) * 1_000)
        self._table.show_signs(now_ms, max(now_ms - silent_ms, 0))

    async def _hear(self) -> None:
        """Ask the server for a sign of life when it has given none for a while: waiting for a token tells nothing."""
        if self._loop.time() - self._client.heard_at >= PULSE_SECONDS:
            await self._client.execute(("PING",))

    def _on_trouble(self, error: TaskyardError | None) -> None:
        if error is not None and not self._has_trouble:
            log.warning("%s. Trying again until that is over.", str(error).rstrip("."))
        elif error is None and self._has_trouble:
            log.info("Redis answers again")
        self._has_trouble = error is not None
        self._publish()
