"""`taskyard task`."""

from __future__ import annotations

import json
from dataclasses import asdict

import click

from queue_core.cli.explain import as_text
from queue_core.cli.options import connect, find_queue, server_options
from queue_core.cli.output import bold, paint, print_json, safe, say, terminal_width
from queue_core.cli.tables import fit
from queue_core.explain import allowed_attempts, explain_task, look_around
from queue_core.formats import clock, count, iso, size, visible
from queue_core.inspector import Inspector
from queue_core.snapshot import TaskDetail
from queue_core.timeline import timeline

COLUMNS = 120
"""Of a payload's beginning, where the output is no terminal."""


@click.command("task")
@click.argument("task_id", metavar="ID")
@click.option("--queue", help="Where it is.  [default: looked for in all queues]")
@click.option("--payload", "with_payload", is_flag=True, help="The whole payload, laid out.")
@click.option("--traceback", "with_traceback", is_flag=True, help="The whole traceback of its last failure.")
@server_options
def command(
    task_id: str,
    queue: str | None,
    with_payload: bool,
    with_traceback: bool,
    url: str | None,
    name: str | None,
    as_json: bool,
) -> None:
    """Show one task: why it is where it is, its history, its payload.

    Works in every state, and for 24 hours after the end of a task that left a record. Times are UTC.

    \b
    Examples:
      taskyard task 0kV3mQrvgYBGjfebBMu30d
      taskyard task 0kV3mQrvgYBGjfebBMu30d --traceback
      taskyard task order-88121 --queue billing --json | jq -r .payload_json
    """
    with connect(url, name) as client:
        inspector = Inspector(client=client)
        task = inspector.task(find_queue(inspector, task_id, queue), task_id)
        around = look_around(inspector, task)
    explanation = explain_task(task, around)
    if as_json:
        print_json({**asdict(task), "explanation": asdict(explanation)})
        return
    say(f"{paint(task.state.value.capitalize(), task.state.value)}: {as_text(explanation)}")
    say()
    say(f"{bold(safe(task.name) or 'unreadable')} {safe(task.id)} in {safe(task.queue)}")
    say(_facts(task))
    say(f"\n{bold('Timeline')} (UTC)")
    for event in timeline(task):
        detail = f": {event.detail}" if event.detail else ""
        say(_fitted(f"  {clock(event.at, around.now_ms, with_ms=True)}  {safe(event.text + detail)}"))
    _say_payload(task, with_payload)
    if task.result_bytes or task.result_missing:
        said = safe(task.result_json or task.result_missing or "too large to be shown")
        say(f"\n{bold('Result')} ({size(task.result_bytes)})\n{_fitted(f'  {said}')}")
    _say_traceback(task, with_traceback)


def _facts(task: TaskDetail) -> str:
    parts = [f"priority {task.priority}", f"{task.attempts} of {count(allowed_attempts(task), 'attempt')} failed"]
    if task.attempts_before:
        parts.append(f"{task.attempts_before} before the last retry")
    if task.crashes:
        parts.append(count(task.crashes, "crash", "crashes"))
    if task.releases:
        parts.append(f"handed back {count(task.releases, 'time')}")
    schedule, at = task.options.get("schedule"), task.options.get("scheduled_for")
    if schedule:
        parts.append(f"from schedule {schedule}, for {iso(at) if isinstance(at, int) else '?'}")
    hidden = ("priority", "max_retries", "headers", "schedule", "scheduled_for")
    parts += [f"{name} {value}" for name, value in task.options.items() if name not in hidden]
    return safe(" · ".join(parts))


def _say_payload(task: TaskDetail, is_whole: bool) -> None:
    say(f"\n{bold('Payload')} ({size(task.payload_bytes)})")
    if not is_whole:
        say(_fitted(f"  {safe(task.payload_json)}"))
        return
    try:
        laid_out = json.dumps(json.loads(task.payload_json), indent=2, ensure_ascii=False)
    except (ValueError, RecursionError):
        laid_out = task.payload_json
    say(_indented(laid_out))


def _say_traceback(task: TaskDetail, is_whole: bool) -> None:
    if not task.traceback:
        return
    lines = task.traceback.rstrip().splitlines()
    if is_whole:
        say(f"\n{bold('Traceback')}\n{_indented(task.traceback.rstrip())}")
    else:
        say(f"\n{bold('Traceback')} ({count(len(lines), 'line')}: --traceback)\n{_fitted('  ' + safe(lines[-1]))}")


def _indented(text: str) -> str:
    return "\n".join(f"  {visible(line)}" for line in text.split("\n"))


def _fitted(line: str) -> str:
    return fit(line, terminal_width() or COLUMNS)
