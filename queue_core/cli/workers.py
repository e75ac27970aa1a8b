"""`taskyard workers`."""

from __future__ import annotations

from collections.abc import Sequence

import click

from queue_core.cli.actions import acting_options, actor, tell_skipped
from queue_core.cli.options import connect, server_options
from queue_core.cli.output import bold, paint, print_json, safe, say
from queue_core.cli.tables import table
from queue_core.cli.telling import TOLD, Telling
from queue_core.control import NO_WORKER
from queue_core.formats import count, duration, when
from queue_core.inspector import Inspector
from queue_core.snapshot import ProcessSnapshot, WorkerSnapshot, is_live

HEADS = ("Worker", "Queues", "State", "Heartbeat", "Processes", "Busy", "Completed", "Failed", "Memory")
PROCESS_HEADS = ("Process", "State", "Busy", "Completed", "Failed", "Memory", "Up")
MEBIBYTE = 1024 * 1024
NONE = "No worker runs. Start one with: taskyard worker module:yard"


@click.command("workers")
@click.argument("action", type=click.Choice(["list", "status", "quiet", "resume", "stop"]), default="list")
@click.argument("ids", metavar="[ID]...", nargs=-1)
@click.option("--all", "is_all", is_flag=True, help="With quiet, resume, stop: every worker that is there.")
@click.option("--wait", is_flag=True, help="Until it is quiet and nothing runs, works again, or has ended.")
@acting_options
@server_options
def command(
    action: str,
    ids: tuple[str, ...],
    is_all: bool,
    wait: bool,
    reason: str,
    by: str | None,
    yes: bool,
    url: str | None,
    name: str | None,
    as_json: bool,
) -> int:
    """List the workers, look at their processes, or tell them what to do.

    A quiet worker claims nothing more and goes on with what runs, until it is resumed. One that is stopped ends as on
    SIGTERM: what runs has its grace time, the rest is handed back. Workers hear of it within seconds; what one has
    not heard within a minute it does not do. Quiet, resume and stop ask first. Exit code 1 where a worker is not there
    or cannot hear.

    \b
    Examples:
      taskyard workers
      taskyard workers status web-3:880
      taskyard workers quiet web-3:880 --reason "deploy" --wait --yes
      taskyard workers stop --all --wait
      taskyard workers --json | jq '.[].id'
    """
    is_telling = action in TOLD
    if action == "list" and ids:
        raise click.UsageError("list takes no ID: status looks at one.")
    if (is_all and not is_telling) or (wait and not is_telling):
        raise click.UsageError("--all and --wait are for quiet, resume and stop.")
    if is_telling and bool(ids) == is_all:
        raise click.UsageError(f"Say which workers to {action}: IDs, or --all.")
    with connect(url, name) as client:
        inspector = Inspector(client=client)
        workers, now_ms = inspector.workers(), inspector.server_ms()
        if is_telling:
            chosen = [worker.id for worker in workers if is_live(worker, now_ms)] if is_all else ids
            telling = Telling(client, action, wait=wait, as_json=as_json)
            return telling.tell(chosen, workers, now_ms, by=actor(by), reason=reason, yes=yes)
    unknown = [worker_id for worker_id in ids if worker_id not in {worker.id for worker in workers}]
    shown = [worker for worker in workers if not ids or worker.id in ids]
    if as_json:
        print_json(shown)
    elif action == "list":
        say(as_table(shown, now_ms))
    elif shown or not ids:
        say("\n\n".join(as_text(worker, now_ms) for worker in shown) or NONE)
    tell_skipped(dict.fromkeys(unknown, NO_WORKER))
    return int(bool(unknown))


def as_table(workers: Sequence[WorkerSnapshot], now_ms: int) -> str:
    return table(HEADS, [_row(worker, now_ms) for worker in workers], left=3) if workers else NONE


def as_text(worker: WorkerSnapshot, now_ms: int) -> str:
    """All that is known of one."""
    version = f", version {safe(worker.version)}" if worker.version else ""
    up = f", up {duration((now_ms - worker.started_at) / 1000)}" if worker.started_at else ""
    busy = f"{worker.busy} of {count(worker.concurrency, 'slot')} busy"
    lines = [
        f"{bold(safe(worker.id))} on {safe(worker.host)}{version}{up}",
        f"{_state(worker)}, last heard {_age(worker, now_ms)}; {_queues(worker)}; {busy}",
    ]
    if told := worker.command:
        why = f": {safe(told.reason)}" if told.reason else ""
        lines.append(f"Last told to {told.verb} by {safe(told.by)}, {when(told.at, now_ms)}{why}")
    if worker.complaint:
        lines.append(f"{paint('No new process comes to work', 'dead')}: {safe(worker.complaint)}")
    rows = [_process_row(process, now_ms) for process in worker.processes]
    return "\n".join([*lines, table(PROCESS_HEADS, rows, left=2)] if rows else lines)


def _row(worker: WorkerSnapshot, now_ms: int) -> tuple[str, ...]:
    return (
        worker.id,
        _queues(worker),
        worker.state,
        _age(worker, now_ms),
        count(len(worker.processes)) if worker.processes else "–",
        f"{worker.busy}/{worker.concurrency}",
        count(worker.completed),
        count(worker.failed),
        _memory(worker.memory_bytes),
    )


def _process_row(process: ProcessSnapshot, now_ms: int) -> tuple[str, ...]:
    return (
        str(process.pid),
        process.state,
        count(process.busy),
        count(process.completed),
        count(process.failed),
        _memory(process.memory_bytes),
        duration((now_ms - process.started_at) / 1000) if process.started_at else "–",
    )


def _state(worker: WorkerSnapshot) -> str:
    return paint(safe(worker.state).capitalize(), worker.state)


def _queues(worker: WorkerSnapshot) -> str:
    return ", ".join(f"{name}={weight}" if weight > 1 else name for name, weight in worker.queues.items())


def _age(worker: WorkerSnapshot, now_ms: int) -> str:
    age = (now_ms - worker.heartbeat_at) / 1000
    return "now" if age < 1 else f"{duration(age)} ago"


def _memory(size: int) -> str:
    return f"{size / MEBIBYTE:.1f} MiB" if size else "–"
