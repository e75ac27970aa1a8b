"""A large installation for the console: 300 queues, 200 workers, 1,000 faults, an hour that was busy everywhere.

One queue is filled through the protocol and copied to the others: names and texts are as long as they are in real life.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from itertools import islice, product

from queue_core import keys, protocol
from queue_core.protocol import FailedTask, Held
from queue_core.schedules import Schedules
from tests.engine import Engine
from tests.workers import put_worker

QUEUES, WORKERS, FAULTS, SCHEDULES, ENTRIES = 300, 200, 1_000, 60, 60
BUSIEST = "imports.customer-records"
GROUPS = ("billing-europe", "billing-america", "mail", "media", "reports", "search", "sync", "audit", "exports", "shop")
MINUTE_MS = 60_000
PAYLOAD = (
    b'{"customer":"ada.lovelace@example.com","order":88121,"items":[{"sku":"A-17-blue","count":3}],'
    b'"shipping":{"street":"12 St James\'s Square","city":"London"},"note":"please ring twice"}'
)
MESSAGE = 'payments.internal:8443 refused the connection after 3 tries: [Errno 111] "Connection refused" <no route>'
FRAME = "/srv/shop/billing/gateway/payments.py:188 in charge_customer_card"
TASK = "charge_customer_card"


def install(url: str, namespace: str) -> None:
    """All of it, on an empty server."""
    now = time.time_ns() // 1_000_000
    names = [f"{group}.{what}" for what, group in product(_words(QUEUES // len(GROUPS)), GROUPS)][: QUEUES - 1]
    template = Engine(url, namespace, names[0])
    _fill(template, now)
    _copy(template, names[1:])
    busiest = Engine(url, namespace, BUSIEST)
    _fill_with_faults(busiest, now)
    for number in range(WORKERS):
        _put_worker(template, number, now, islice(names, number, number + 3))
    _act(template, url, namespace)
    busiest.close()
    template.close()


def _fill(engine: Engine, now: int) -> None:
    """Other numbers of tasks every minute, of which some fail every five minutes; more than a page in each place."""
    engine.client.register(engine.queue.queue)
    for minute in range(59, -1, -1):
        engine.now = now - minute * MINUTE_MS
        engine.enqueue_many(2 + minute * 7 % 13, name=TASK, payload=PAYLOAD)
        claimed = engine.claim(50)
        held = [Held(task.id, claimed.fence, task.has_history) for task in claimed.tasks]
        verdicts = () if minute % 5 else (protocol.DEAD, protocol.RETRY)
        engine.run(protocol.complete(engine.queue, held[len(verdicts) :]))
        for one, verdict in zip(held, verdicts, strict=False):
            engine.run(protocol.fail(engine.queue, [_failed(engine, one, verdict)]))
    for verdict in (protocol.DEAD, protocol.RETRY, protocol.DEAD):
        engine.enqueue_many(50, name=TASK, payload=PAYLOAD)
        claimed = engine.claim(50)
        failed = [_failed(engine, Held(task.id, claimed.fence), verdict) for task in claimed.tasks]
        engine.run(protocol.fail(engine.queue, failed))
    engine.trash(*(task.id for task in claimed.tasks))
    engine.enqueue_many(60, name=TASK, payload=PAYLOAD, delay_ms=24 * 60 * MINUTE_MS)
    engine.enqueue_many(60, name=TASK, payload=PAYLOAD)


def _failed(engine: Engine, held: Held, verdict: str, message: str = MESSAGE) -> FailedTask:
    return engine.failed(held, verdict, 24 * 60 * MINUTE_MS, message, TASK, frame=FRAME, trace=f"  File {FRAME}")


def _copy(engine: Engine, names: Iterable[str]) -> None:
    """To queues of these names, all that the queue's keys hold."""
    found: list[bytes] = engine.redis.keys(engine.prefix + "*")
    with engine.redis.pipeline(transaction=False) as pipeline:
        for name in names:
            prefix = engine.client.queue(name).tasks.removesuffix("tasks")
            pipeline.sadd(keys.queues(engine.client.namespace), name)
            for key in found:
                pipeline.copy(key, prefix + key.decode().removeprefix(engine.prefix))
        pipeline.execute()


def _fill_with_faults(engine: Engine, now: int) -> None:
    engine.client.register(engine.queue.queue)
    words = _words(FAULTS)
    for start in range(0, FAULTS, 250):
        engine.now = now - (FAULTS - start)
        engine.enqueue_many(250, name=TASK, payload=PAYLOAD)
        claimed = engine.claim(250)
        letters = [
            _failed(engine, Held(task.id, claimed.fence), protocol.DEAD, f"{word}: {MESSAGE}")
            for task, word in zip(claimed.tasks, words[start : start + 250], strict=True)
        ]
        engine.run(protocol.fail(engine.queue, letters))


def _put_worker(engine: Engine, number: int, now: int, queues: Iterable[str]) -> None:
    """Of two processes, in which five tasks run."""
    process = {"state": "running", "busy": 3, "completed": 51_200, "failed": 31, "memory_bytes": 61_000_000}
    named = dict.fromkeys(queues, 1)
    running = [
        {"queue": name, "task_id": engine.new_id(), "task_name": TASK, "started_at": now - 800}
        for name, _ in product(named, range(2))
    ]
    put_worker(
        engine,
        f"worker-{number:03}.eu-central.internal:{1_000 + number}",
        now,
        host=f"worker-{number:03}.eu-central.internal",
        queues=named,
        concurrency=32,
        version="2026.11.22-rc1",
        started_at=now - 60 * MINUTE_MS,
        busy=5,
        completed=102_400,
        failed=62,
        memory_bytes=150_000_000,
        processes=[process | {"pid": 2_000 + i, "started_at": now - 60 * MINUTE_MS} for i in (0, 1)],
        running=running[:5],
        task_names=[TASK, "send_invoice", "import_customer"],
    )


def _act(engine: Engine, url: str, namespace: str) -> None:
    """Schedules, and as many entries of what was done: each was added by somebody."""
    made = Schedules(url, namespace)
    for number in range(max(SCHEDULES, ENTRIES)):
        name = f"weekly-report-of-customers-{number:02}"
        made.add(name, TASK, queue=engine.queue.queue, cron="*/5 9-17 * * MON-FRI", by="ada", action_id=f"add-{number}")
    made.close()


def _words(count: int) -> list[str]:
    """Each another one, of letters that no hexadecimal number has: a fault's message keeps them."""
    letters = "ghijklmnop"
    return ["invoice-reminders-" + "".join(found) for found in islice(product(letters, repeat=3), count)]
