"""One queue's traffic: one request carries what the last batch came to and the claim of the next.

While a request is under way results gather, so batches grow with the load and an idle worker answers at once.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Protocol

from queue_core import connection, protocol
from queue_core.aio import AsyncChannel, AsyncClient
from queue_core.errors import ServerRefused, ServerUnavailable, TaskyardError
from queue_core.formats import count
from queue_core.protocol import Claimed, ClaimedTask, FailedTask, Held, Recovered, ReleasedTask, Report, Session
from queue_core.settings import MAX_BATCH, MAX_PAYLOAD_BYTES
from queue_core.snapshot import Figures
from queue_core.worker.allocator import Allocator
from queue_core.worker.complaints import Complaints
from queue_core.worker.measures import Measures

log = logging.getLogger("taskyard.worker")

LISTEN_SECONDS = 5.0
"""How long an idle worker waits for a wake-up token before it looks for itself."""
AFTER_ERROR_SECONDS = 1.0
MAX_TOKENS = 16
"""So many wake-up tokens are there at most (scripts/lib/wake.lua)."""
MEASURE_SECONDS = 1.0
"""What was measured is told so often: as much is lost when the process is killed."""
MAX_NAMED = 5
"""Ids in one line of the log."""
MAX_LIMITED_SECONDS = 5.0
"""How long a worker at most takes the claim rate for used up: an operator may have changed it."""


class Slot(Protocol):
    """What the exchanger needs to know of a task that is held: how to let go of it."""

    def let_go(self) -> None: ...


Batch = list[tuple[Any, Slot]]
Waiting = deque[Any]


class Exchanger:
    """`take` gets each claimed task, with the claim's fence; `runnable` says which lanes this worker can run;
    `on_exchange` is called after each request, `note_claim` with the number that a claim has in `session`, before it is
    sent."""

    def __init__(
        self,
        client: AsyncClient,
        listening_client: AsyncClient,
        queue: str,
        worker_id: str,
        lease_ms: int,
        version: str,
        allocator: Allocator,
        take: Callable[[str, ClaimedTask, int], None],
        runnable: Callable[[Sequence[str]], list[str]],
        on_exchange: Callable[[], None],
        session: Session,
        note_claim: Callable[[int], None],
    ) -> None:
        self.queue = queue
        self.is_claiming = True
        self.is_refused = False
        """The server answers, and gives out nothing of this queue: its data is damaged, say."""
        self._client = client
        self._listening_client = listening_client
        self._keys = client.queue(queue)
        self._worker_id = worker_id
        self._lease_ms = lease_ms
        self._version = version
        self._allocator = allocator
        self._take = take
        self._runnable = runnable
        self._on_exchange = on_exchange
        self._session = session
        self._note_claim = note_claim
        self._channel = client.channel(session)
        self._turn = asyncio.Lock()
        self._lanes: list[str] = []
        self._claims: dict[int, protocol.Call[Claimed]] = {}
        self._completed: deque[tuple[Held, Slot]] = deque()
        self._failed: deque[tuple[FailedTask, Slot]] = deque()
        self._released: deque[tuple[ReleasedTask, Slot]] = deque()
        self._crashed: deque[tuple[tuple[Held, Mapping[str, object]], Slot]] = deque()
        self._measures = Measures()
        self._measured: asyncio.TimerHandle | None = None
        self._is_measured_due = False
        self._is_finishing = False
        self._reports: dict[str, Report] = {}
        self._signal = asyncio.Event()
        self._may_listen = asyncio.Event()
        self._timer: asyncio.TimerHandle | None = None
        self._is_limited = False
        self._is_exchanging = False
        self._is_resting = False
        self._is_called = False
        self._has_hint = False
        self._complaints = Complaints()

    # What the process tells.

    def complete(self, held: Held, slot: Slot) -> None:
        self._completed.append((held, slot))
        self._free_one()

    def fail(self, failed: FailedTask, slot: Slot) -> None:
        self._failed.append((failed, slot))
        self._free_one()

    def release(self, released: ReleasedTask, slot: Slot) -> None:
        """Its slot does not count as this queue's share: nothing has run in it."""
        self._released.append((released, slot))
        self._allocator.return_unused(self.queue, 1)
        self._signal.set()

    def crash(self, held: Held, evidence: Mapping[str, object], slot: Slot) -> None:
        """The child that ran it has died."""
        self._crashed.append(((held, evidence), slot))
        self._free_one()

    def forget(self, slot: Slot) -> None:
        """Its lease was lost: there is nothing to settle."""
        slot.let_go()
        self._free_one()

    def measure(self, name: str, outcome: str, wait_ms: float, run_ms: float, ended: float) -> None:
        """An attempt has ended: told within a second, with the next exchange after that."""
        self._measures.add(name, outcome, wait_ms, run_ms, ended)
        if self._measured is None:
            self._measured = asyncio.get_running_loop().call_later(MEASURE_SECONDS, self._tell_measured)

    def finish(self) -> None:
        """The process is about to end: what is measured is told at once."""
        self._is_finishing = True
        self._tell_measured()

    def report(self, report: Report) -> None:
        """How far a handler is: goes with the next request, for which it does not wait."""
        self._reports[report.id] = report
        self._signal.set()

    def wake(self) -> None:
        """Slots may have become free: look whether there are any for this queue, or whether it is time to listen."""
        if self._allocator.is_hungry(self.queue) or not self._may_listen.is_set():
            self._signal.set()

    @property
    def is_settled(self) -> bool:
        """Nothing is to be sent and nothing is under way."""
        is_telling = self._is_finishing and bool(self._measures)
        has_news = self._completed or self._failed or self._released or self._crashed
        return not (has_news or self._is_exchanging or is_telling)

    def start_claiming(self) -> None:
        self.is_claiming = True
        self._get_hungry()

    def stop_claiming(self) -> None:
        self.is_claiming = False
        self._allocator.set_hungry(self.queue, False)

    # The two loops.

    async def run(self) -> None:
        """Exchange for ever: at once when there is something to send, else when woken."""
        while True:
            await self._signal.wait()
            await asyncio.sleep(0)  # handlers that are about to end join this batch
            self._signal.clear()
            await self._exchange()

    async def listen(self) -> None:
        """Wait for wake-up tokens while this queue is idle here, on a connection of its own, and exchange at once when
        one comes. A connection that breaks may have taken a token with it: the exchange looks for itself, and waits for
        the server where that is away."""
        channel = self._listening_client.channel()
        failures = 0
        while True:
            await self._may_listen.wait()
            await self._client.register(self.queue)
            try:
                token = await self._wait_for_token(channel)
            except ServerUnavailable:
                self._may_listen.clear()
                self._get_hungry()
                await asyncio.sleep(connection.backoff_seconds(failures, random.random()))
                failures += 1
            else:
                failures = 0
                self._may_listen.clear()
                self._note_hunger(has_hint=token)
                await self._exchange()

    async def _exchange(self) -> None:
        """One request, if there is anything to send; and what its answer says."""
        async with self._turn:
            if self._is_resting:
                return
            granted = 0
            if self.is_claiming and self._allocator.is_hungry(self.queue):
                granted = self._allocator.grant(self.queue, MAX_BATCH)
            if granted:
                self._has_hint = self._is_called = False
            elif self._has_hint:
                await self._pass_hint_on()
            calls, done = self._collect(granted)
            measured = self._take_measured()
            if measured:
                calls.insert(len(done), protocol.measure(self._keys, measured, self._measures.ages_ms(measured)))
            if calls:
                self._is_exchanging = True
                if granted:
                    self._note_claim(self._session.sequence + len(calls))  # the claim is the last of them
                answers = await self._client.run_all(calls, self._channel)
                self._is_exchanging = False
                if not any(isinstance(answer, Exception) for answer in answers):
                    self.is_refused = False
                    self._complaints.withdraw(self.queue, "exchange")
                for (batch, waiting), answer in zip(done, answers, strict=False):
                    self._absorb_settled(batch, waiting, answer)
                if measured:
                    self._absorb_measured(measured, answers[len(done)])
                if granted:
                    self._absorb_claimed(answers[-1], granted)
                    await asyncio.sleep(0)  # handlers that were started begin before anything else is done
                if self._reports or not self.is_settled:
                    self._signal.set()
                self._on_exchange()
            self._listen_when_idle()

    async def _wait_for_token(self, channel: AsyncChannel) -> bool:
        """Whether there was one within the time. Raises `ServerUnavailable` when the connection breaks."""
        scout = self._client.scout
        assert scout is not None

        def pop() -> Awaitable[list[Any]]:
            return self._listening_client.execute(("BLPOP", self._keys.notify, LISTEN_SECONDS), channel=channel)

        try:
            (answer,) = await scout.watch(channel, 0, pop, is_blocking=True)
        except TimeoutError as error:  # the server was away, and does not know this connection any more
            raise ServerUnavailable from error
        if not isinstance(answer, Exception):
            self._complaints.withdraw(self.queue, "listen")
            return bool(answer)
        if not str(answer).startswith("UNBLOCKED"):  # it has become a replica: the exchange says so
            self._complaints.say(self.queue, "listen", connection.translate(answer, self._client.url))
            await asyncio.sleep(AFTER_ERROR_SECONDS)
        return False

    async def _pass_hint_on(self) -> None:
        """This worker was told of a task and has no hands free: somebody else may have."""
        self._has_hint = False
        notify = self._keys.notify
        await self._client.execute(("RPUSH", notify, "1"), ("LTRIM", notify, 0, MAX_TOKENS - 1))

    def _free_one(self) -> None:
        """A handler's slot is free as soon as it has ended: the request that settles it carries the next claim."""
        self._allocator.give_back(1)
        self._signal.set()

    def _get_hungry(self, has_hint: bool = False) -> None:
        """Look for ready tasks as soon as there are slots."""
        self._note_hunger(has_hint)
        self._signal.set()

    def _note_hunger(self, has_hint: bool) -> None:
        """The next exchange looks for ready tasks. With a hint: some are ready now, and if this worker cannot take them
        another one is to be told."""
        if self._is_limited:  # the timer comes back, with a hint
            return
        self._has_hint |= has_hint
        self._is_called = True
        self._allocator.set_hungry(self.queue, self.is_claiming)

    def _listen_when_idle(self) -> None:
        """Also while other queues take every slot that becomes free: this one is to get its share of them."""
        if self._is_limited:  # each token of these would be for nothing
            return
        has_chance = self._allocator.free > 0 or self._allocator.is_anyone_hungry
        if self.is_claiming and not self._allocator.is_hungry(self.queue) and has_chance:
            self._may_listen.set()

    def _collect(self, granted: int) -> tuple[list[protocol.Call[Any]], list[tuple[Batch, Waiting]]]:
        """The calls to send, and for each the batch that it settles and where that waited."""
        calls: list[protocol.Call[Any]] = []
        done: list[tuple[Batch, Waiting]] = []
        if self._completed:
            completed = _pop_completed(self._completed)
            calls.append(protocol.complete(self._keys, [held for held, _ in completed]))
            done.append((completed, self._completed))
        if self._failed:
            failed = _pop(self._failed)
            calls.append(protocol.fail(self._keys, [task for task, _ in failed], self._version))
            done.append((failed, self._failed))
        if self._released:
            released = _pop(self._released)
            calls.append(protocol.release(self._keys, [task for task, _ in released]))
            done.append((released, self._released))
        if self._crashed:
            crashed = [self._crashed.popleft()]  # the evidence is of a call
            held, evidence = crashed[0][0]
            calls.append(protocol.recover(self._keys, self._lease_ms, held=[held], evidence=evidence))
            done.append((crashed, self._crashed))
        if self._reports:
            ids = list(self._reports)[:MAX_BATCH]
            calls.append(protocol.progress(self._keys, [self._reports.pop(task_id) for task_id in ids]))
        if granted:
            calls.append(self._claim(granted))
        return calls, done

    def _claim(self, limit: int) -> protocol.Call[Claimed]:
        """The call is made once for each limit, while the lanes are the same."""
        call = self._claims.get(limit)
        if call is None:
            call = protocol.claim(self._keys, self._worker_id, limit, self._lease_ms, is_fair=True, lanes=self._lanes)
            self._claims[limit] = call
        return call

    def _absorb_settled(self, batch: Batch, waiting: Waiting, answer: Any) -> None:
        if isinstance(answer, ServerRefused):
            # Its disk is full, say: the tasks have ended, and are to be settled when it takes writes again.
            waiting.extendleft(reversed(batch))
            self._rest(answer)
            return
        if isinstance(answer, Exception):
            log.error("queue %s: %d tasks could not be settled: %s", self.queue, len(batch), answer)
        else:
            self._tell_lost(answer.lost if isinstance(answer, Recovered) else answer)
        for _, slot in batch:
            slot.let_go()

    def _tell_lost(self, task_ids: Sequence[str]) -> None:
        if task_ids:
            tasks = ", ".join(task_ids[:MAX_NAMED]) + (", …" if len(task_ids) > MAX_NAMED else "")
            one, many = (
                "task was settled too late, its lease was lost",
                "tasks were settled too late, their leases were lost",
            )
            log.warning("queue %s: %s: %s", self.queue, count(len(task_ids), one, many), tasks)

    def _tell_measured(self) -> None:
        self._measured = None
        self._is_measured_due = True
        self._signal.set()

    def _take_measured(self) -> dict[str, Figures]:
        if not (self._is_measured_due or self._is_finishing):
            return {}
        taken = self._measures.take()
        self._is_measured_due = bool(self._measures)
        return taken

    def _absorb_measured(self, measured: dict[str, Figures], answer: int | TaskyardError) -> None:
        """While the server refuses writes they are kept, but keep nobody from stopping."""
        if isinstance(answer, ServerRefused) and not self._is_finishing:
            self._measures.put_back(measured)
            self._is_measured_due = True
            self._rest(answer)
        elif isinstance(answer, TaskyardError):
            log.error("queue %s: measurements of %d task names are lost: %s", self.queue, len(measured), answer)

    def _absorb_claimed(self, answer: Claimed | TaskyardError, granted: int) -> None:
        if isinstance(answer, TaskyardError):
            self._allocator.return_unused(self.queue, granted)
            self._rest(answer)
            return
        self._allocator.return_unused(self.queue, granted - len(answer.tasks))
        lanes = self._runnable(answer.closed_lanes) if answer.closed_lanes else []
        has_new_lanes = not set(lanes) <= set(self._lanes)
        if lanes != self._lanes:
            self._lanes = lanes
            self._claims.clear()
        self._is_limited = answer.next_token_ms is not None
        is_hungry = not answer.is_paused and (answer.has_more or len(answer.tasks) == granted or has_new_lanes)
        # A token that came meanwhile may be newer than this answer.
        if self._is_limited or (not is_hungry and not self._is_called):
            self._allocator.set_hungry(self.queue, False)
        self._set_timer(answer)
        for task in answer.tasks:
            self._take(self.queue, task, answer.fence)
        if self._allocator.is_hungry(self.queue):
            self._signal.set()

    def _rest(self, error: Exception) -> None:
        """The server refuses: ask nothing of it for a while."""
        self.is_refused = True
        self._complaints.say(self.queue, "exchange", error)
        self._allocator.set_hungry(self.queue, False)
        if not self._is_resting:
            self._is_resting = True
            rest = AFTER_ERROR_SECONDS * (0.5 + 0.5 * random.random())  # many workers do not come back as one
            asyncio.get_running_loop().call_later(rest, self._end_rest)

    def _end_rest(self) -> None:
        self._is_resting = False
        self._get_hungry()

    def _set_timer(self, claimed: Claimed) -> None:
        """A timer of our own fires the claim when the next task is due, or the claim rate allows more: the server's is
        up to 98 ms late."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        at, most = claimed.next_due_ms, 3_600.0
        if claimed.next_token_ms is not None:
            at, most = claimed.next_token_ms, MAX_LIMITED_SECONDS
        if at is not None:
            wait = min(max(at - claimed.now_ms, 0) / 1000 + 0.001, most)
            self._timer = asyncio.get_running_loop().call_later(wait, self._come_back)

    def _come_back(self) -> None:
        self._is_limited = False
        self._get_hungry(has_hint=True)


def _pop(waiting: deque[Any]) -> list[Any]:
    """The oldest of what waits, as many as one call takes."""
    return [waiting.popleft() for _ in range(min(len(waiting), MAX_BATCH))]


def _pop_completed(waiting: deque[tuple[Held, Slot]]) -> list[tuple[Held, Slot]]:
    """As `_pop`, with as many bytes of results as a batch holds; a larger one goes alone."""
    popped: list[tuple[Held, Slot]] = []
    size = 0
    while waiting and len(popped) < MAX_BATCH:
        result = waiting[0][0].result
        size += len(result.json) if result else 0
        if popped and size > MAX_PAYLOAD_BYTES:
            break
        popped.append(waiting.popleft())
    return popped
