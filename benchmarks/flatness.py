"""Whether costs stay the same from 1,000 to 1,000,000 tasks: server time a call, both sizes in turn, median of 5.

A large process is slower at everything, an empty script included: its memory is in no cache, and each small page has to
be found (TLB). So beside our calls stand controls, which do the same in a queue of any length.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from itertools import islice
from statistics import median
from typing import Any

from benchmarks.figures import Figure
from benchmarks.payloads import email_tasks, in_batches
from benchmarks.servers import each_binary, script_microseconds, server_of
from queue_core import protocol
from queue_core.client import Client
from queue_core.fingerprint import make_failure
from queue_core.inspector import Inspector
from queue_core.protocol import Held, NewTask
from queue_core.reading import Position, list_name
from queue_core.settings import MAX_BATCH
from queue_core.snapshot import State

SIZES = (1_000, 1_000_000)
ROUNDS = 5
CALLS = 200
DEEP_PAGE_MS = 0.5
RATIO = 1.3
KEEP_MS = 86_400_000
PAGE = 50
CONTROLS = {
    "control, an empty script": "return 1",
    "control, ten commands on the queue's keys": """
        for _, key in ipairs({KEYS[1], KEYS[4]}) do redis.call('HGET', key, ARGV[1]) end
        for _, key in ipairs({KEYS[1], KEYS[4]}) do redis.call('HLEN', key) end
        for _, key in ipairs({KEYS[2], KEYS[2]}) do redis.call('LRANGE', key, 0, 0) end
        for _, key in ipairs({KEYS[3], KEYS[3]}) do redis.call('SISMEMBER', key, ARGV[1]) end
        for _, key in ipairs({KEYS[5], KEYS[5]}) do redis.call('ZSCORE', key, ARGV[1]) end""",
}
STATES = (State.READY, State.SCHEDULED, State.DEAD, State.TRASHED)


def run() -> Iterator[Figure | str]:
    for binary in each_binary():
        with ExitStack() as stack:
            servers = [stack.enter_context(server_of(binary)) for _ in SIZES]
            small, large = (Filled(server.url, size) for server, size in zip(servers, SIZES, strict=True))
            yield f"{servers[0].product}: {SIZES[0]:,} and {SIZES[1]:,} tasks in each of {len(STATES)} states"
            for name in (*CONTROLS, *small.calls):
                costs: list[list[float]] = [[], []]
                for _ in range(ROUNDS):
                    for filled, found in zip((small, large), costs, strict=True):
                        found.append(filled.cost(name))
                few, many = (median(found) for found in costs)
                note = f"{few:.1f} µs at {SIZES[0]:,}, {many:.1f} at {SIZES[1]:,}"
                budget = None if name in CONTROLS else RATIO
                yield Figure(f"{servers[0].product}: {name}", many / few, "×", budget, note=note)
                if name == f"a page in the midst of {State.READY}":
                    yield Figure(f"{servers[0].product}: the same", many / 1_000, "ms", DEEP_PAGE_MS)
            small.client.close()
            large.client.close()


class Filled:
    """A server whose queues hold `size` tasks: `ready` in the order of claims, and one queue for each other state."""

    def __init__(self, url: str, size: int) -> None:
        self.client = Client(url)
        self.inspector = Inspector(client=self.client)
        self.size = size
        self.queues = {state: self.client.queue(state) for state in STATES}
        for state in STATES:
            self._fill(state)
        self.ready = self.queues[State.READY]
        self.waiting = self._enqueue(CALLS)
        self.leaving = self._enqueue(ROUNDS * CALLS)
        self.held: list[Held] = []
        self.ids: Iterator[str] = iter(())
        self.controls: dict[str, Callable[[], object]] = {}
        self.calls: dict[str, Callable[[], object]] = {
            "enqueue": lambda: self._enqueue(1),
            "claim": self._claim,
            "complete": lambda: self.client.run(protocol.complete(self.ready, [self.held.pop()])),
            "trash a ready task": lambda: self.client.run(
                protocol.trash(self.ready, [next(self.ids)], KEEP_MS, "bench", "")
            ),
            "restore it": lambda: self.client.run(protocol.restore(self.ready, [next(self.ids)])),
            "cancel a ready task": lambda: self.client.run(
                protocol.cancel(self.ready, [self.leaving.pop()], {"by": "bench", "reason": ""})
            ),
            "look up by id": lambda: self.inspector.task(State.READY, next(self.ids)),
            "fault counts": lambda: self.inspector.faults(State.DEAD),
            "counts and oldest wait": lambda: self.inspector.queue(State.READY),
        }
        for name, text in CONTROLS.items():
            self.controls[name] = self._control(text)
        for state in STATES:
            self.calls[f"first page of {state}"] = self._page(state, None)
            self.calls[f"a page in the midst of {state}"] = self._page(state, self._midst(state))

    def cost(self, name: str) -> float:
        """Server time of one call, in µs."""
        self.ids = iter(self.waiting)
        call, count = self.calls.get(name) or self.controls[name], 50 if "page" in name else CALLS
        script_microseconds(self.client)
        for _ in islice(range(CALLS), count):
            call()
        return script_microseconds(self.client) / count

    def _fill(self, state: State) -> None:
        queue = self.queues[state]
        failure = make_failure("send_email", "SMTPError", "the server refused", frame="shop/mail.py:12 in send")
        for start in range(0, self.size, MAX_BATCH):
            count = min(MAX_BATCH, self.size - start)
            tasks = email_tasks(count)
            if state is State.SCHEDULED:
                tasks = [NewTask(task.id, task.envelope, delay_ms=86_400_000 + start) for task in tasks]
            self.client.run(protocol.enqueue(queue, tasks))
            if state is State.TRASHED:
                self.client.run(protocol.trash(queue, [task.id for task in tasks], KEEP_MS, "bench", ""))
            elif state is State.DEAD:
                claimed = self.client.run(protocol.claim(queue, "maker", count, 60_000))
                failed = [
                    protocol.FailedTask(task.id, claimed.fence, protocol.DEAD, 0, failure) for task in claimed.tasks
                ]
                self.client.run(protocol.fail(queue, failed))
        self.client.register(state)

    def _enqueue(self, count: int) -> list[str]:
        tasks = email_tasks(count)
        for batch in in_batches(tasks):
            self.client.run(protocol.enqueue(self.ready, batch))
        return [task.id for task in tasks]

    def _claim(self) -> None:
        claimed = self.client.run(protocol.claim(self.ready, "worker", 1, 3_600_000, is_fair=True))
        self.held += [Held(task.id, claimed.fence) for task in claimed.tasks]

    def _midst(self, state: State) -> str:
        """A cursor to the middle of a place."""
        middle = self.size // 2
        if state is State.READY:
            return str(Position(list_name(state, state), "after", b"%d" % middle, state))
        key = {State.SCHEDULED: "scheduled", State.DEAD: "dead", State.TRASHED: "trash"}[state]
        (found,) = self.client.read(("ZRANGE", getattr(self.queues[state], key), middle, middle, "WITHSCORES"))
        member, score = found[0] if len(found) == 1 else found
        return str(Position(list_name(state, state), "after", b"%.0f" % float(score), state, member))

    def _control(self, text: str) -> Callable[[], object]:
        """Bare commands, whose costs depend on no length."""
        plain: Any = self.client.redis
        queue = self.ready
        sha = plain.script_load(text)
        keys = (queue.tasks, queue.ready, queue.removed, queue.running, queue.leases)
        return lambda: plain.execute_command("EVALSHA", sha, len(keys), *keys, next(self.ids))

    def _page(self, state: State, cursor: str | None) -> Callable[[], object]:
        return lambda: self.inspector.tasks(state, state, cursor=cursor, limit=PAGE)
