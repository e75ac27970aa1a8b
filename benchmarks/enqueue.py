"""What enqueueing costs: in batches beside the reference design's pushes, one by one beside an empty script."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from statistics import median
from typing import Any

from benchmarks import reference
from benchmarks.figures import Figure
from benchmarks.noop_tasks import send_email, yard
from benchmarks.payloads import EMAIL
from benchmarks.servers import each_server
from queue_core import connection
from queue_core.client import Client
from queue_core.protocol import Argument, Session, enqueue

ROUNDS = 9
BULK = 10_000
SINGLE = 1_000


def run() -> Iterator[Figure]:
    for server in each_server():
        yard.url = server.url
        client = yard.client
        yield from _bulk(client, server.product)
        yield from _single(client, server.product)
        yard.close()


def _bulk(client: Client, product: str) -> Iterator[Figure]:
    """One after the other in each round, so that both meet the same noise."""
    ours, theirs = [], []
    plain: Any = client.redis
    for _ in range(ROUNDS):
        plain.flushall()
        ours.append(BULK / _seconds(lambda: yard.enqueue_many(send_email.message(**EMAIL) for _ in range(BULK))))
        plain.flushall()
        theirs.append(BULK / _seconds(lambda: reference.push_many(plain, (EMAIL for _ in range(BULK)))))
    ratio = median(one / other for one, other in zip(ours, theirs, strict=True))
    spread = f"{min(ours):,.0f} to {max(ours):,.0f}"
    yield Figure(f"{product}: enqueue_many, one process", median(ours), "tasks/s", 90_000, True, spread)
    yield Figure(f"{product}: the same / reference's pipelined pushes", ratio, "×", 1.5, True, f"{median(theirs):,.0f}")


def _single(client: Client, product: str) -> Iterator[Figure]:
    """The whole of `task.enqueue`, beside an EVALSHA of `return 1` with the same keys and arguments."""
    plain: Any = client.redis
    plain.flushall()
    send_email.enqueue(**EMAIL)
    empty = plain.script_load("return 1")
    command = Session().command(enqueue(client.queue("email"), [send_email.message(**EMAIL).new_task]))
    same: list[Argument] = [command[0], empty, *command[2:]]
    held: Any = connection.sync_pool(client.url).make_connection()

    def call_empty() -> Any:
        held.send_command(*same)
        return held.read_response()

    ours, floor, usual = [], [], []
    for _ in range(ROUNDS):
        plain.config_resetstat()
        ours.append(_seconds(lambda: [send_email.enqueue(**EMAIL) for _ in range(SINGLE)]))
        requests = plain.info("commandstats")["cmdstat_evalsha"]["calls"] / SINGLE
        floor.append(_seconds(lambda: [call_empty() for _ in range(SINGLE)]))
        usual.append(_seconds(lambda: [plain.execute_command(*same) for _ in range(SINGLE)]))
    held.disconnect()
    ratio = median(one / other for one, other in zip(ours, floor, strict=True))
    note = f"{median(ours) / SINGLE * 1e6:.0f} µs beside {median(floor) / SINGLE * 1e6:.0f}"
    yield Figure(f"{product}: enqueue / EVALSHA of `return 1`, bare connection", ratio, "×", 1.6, note=note)
    ratio = median(one / other for one, other in zip(ours, usual, strict=True))
    note = f"{median(usual) / SINGLE * 1e6:.0f} µs"
    yield Figure(f"{product}: enqueue / the same through redis-py's client", ratio, "×", note=note)
    yield Figure(f"{product}: requests of an enqueue", requests, "", 1)


def _seconds(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began
