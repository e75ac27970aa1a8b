"""What claim and complete cost the server: microseconds a task by its own count, with 100 other tasks running; what a
full batch of a move does; and what large payloads cost scripts that need no more than a name or a priority."""

from __future__ import annotations

from collections.abc import Iterator
from statistics import median

from benchmarks.figures import Figure
from benchmarks.payloads import email_tasks, in_batches
from benchmarks.servers import each_server, script_microseconds
from queue_core import moving, protocol
from queue_core.client import Client
from queue_core.fingerprint import make_failure
from queue_core.protocol import FailedTask, Held, NewTask

ROUNDS = 5
RUNNING = 100
CALL_MS = 3.0
LARGE_BYTES, LARGE_TASKS = 1_000_000, 64


def run() -> Iterator[Figure]:
    for server in each_server():
        client = Client(server.url)
        queue = client.queue("email")
        for batch in in_batches(email_tasks(RUNNING)):
            client.run(protocol.enqueue(queue, batch))
        client.run(protocol.claim(queue, "others", RUNNING, 3_600_000))
        for size, tasks in ((1, 1_000), (10, 2_000), (100, 10_000)):
            costs = [_microseconds_a_task(client, size, tasks) for _ in range(ROUNDS)]
            enqueue, claim, complete = (median(column) for column in zip(*costs, strict=True))
            yield Figure(
                f"{server.product}: claim + complete, batch {size}",
                claim + complete,
                "µs a task",
                {1: 350, 100: 20}.get(size),
                note=f"claim {claim:.1f}, complete {complete:.1f}; enqueue {enqueue:.1f}; 2 round trips a batch",
            )
        yield from _moving(client, server.product)
        yield from _large(client, server.product)
        client.close()


def _moving(client: Client, product: str) -> Iterator[Figure]:
    """Dead letters, which carry most: a history and a fault."""
    source, target = client.queue("letters"), client.queue("elsewhere")
    failure = make_failure("send_email", "SMTPError", "the server refused", frame="shop/mail.py:12 in send")
    exports, imports = [], []
    for number in range(ROUNDS):
        client.run(protocol.enqueue(source, email_tasks(moving.BATCH)))
        claimed = client.run(protocol.claim(source, "worker", moving.BATCH, 60_000))
        failed = [FailedTask(task.id, claimed.fence, protocol.DEAD, 0, failure) for task in claimed.tasks]
        client.run(protocol.fail(source, failed))
        script_microseconds(client)
        ids = [task.id for task in claimed.tasks]
        exported = client.run(protocol.export(source, ids, "elsewhere", f"token{number}", "bench", ""))
        exports.append(script_microseconds(client) / 1_000)
        client.run(protocol.import_(target, exported, {"from": "letters"}))
        imports.append(script_microseconds(client) / 1_000)
    yield Figure(f"{product}: export of {moving.BATCH} dead letters", median(exports), "ms", CALL_MS)
    yield Figure(f"{product}: import of {moving.BATCH} dead letters", median(imports), "ms", CALL_MS)


def _large(client: Client, product: str) -> Iterator[Figure]:
    """A script reads whole envelopes, as there is no command for a part of a hash's field."""
    queue = client.queue("large")
    envelope = b"send_email\n" + b" " * LARGE_BYTES
    ids = [task.id for task in email_tasks(LARGE_TASKS)]
    for task_id in ids:
        client.run(protocol.enqueue(queue, [NewTask(task_id, envelope, due_ms=1)]))
    script_microseconds(client)
    times: dict[str, list[float]] = {"trash": [], "restore": []}
    for _ in range(ROUNDS):
        client.run(protocol.trash(queue, ids, 3_600_000, "bench", ""))
        times["trash"].append(script_microseconds(client))
        client.run(protocol.restore(queue, ids))
        times["restore"].append(script_microseconds(client))
    for verb, spent in times.items():
        yield Figure(f"{product}: {verb}, payloads of 1 MB", median(spent) / LARGE_TASKS, "µs a task")


def _microseconds_a_task(client: Client, size: int, count: int) -> tuple[float, float, float]:
    queue = client.queue("email")
    spent = []
    client.redis.config_resetstat()
    for batch in in_batches(email_tasks(count), min(size, 256)):
        client.run(protocol.enqueue(queue, batch))
    spent.append(script_microseconds(client))
    held = []
    for _ in range(0, count, size):
        claimed = client.run(protocol.claim(queue, "worker", size, 3_600_000, is_fair=True))
        held.append([Held(task.id, claimed.fence) for task in claimed.tasks])
    spent.append(script_microseconds(client))
    for batch_held in held:
        client.run(protocol.complete(queue, batch_held))
    spent.append(script_microseconds(client))
    return spent[0] / count, spent[1] / count, spent[2] / count
