"""`taskyard enqueue`."""

from __future__ import annotations

import inspect
import json
import sys
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import click

from queue_core.cli.options import server_options
from queue_core.cli.output import note, print_json, say
from queue_core.settings import DEFAULT_QUEUE
from queue_core.task import Definition, Sending, message_by_name
from queue_core.yard import Taskyard


@click.command("enqueue")
@click.argument("words", metavar="[MODULE:YARD] TASK [KEY=VALUE]...", nargs=-1, required=True)
@click.option("--json-args", metavar="OBJECT", help="The arguments as one JSON object.")
@click.option("--queue", help=f"[default: the task's own, where its yard is named; else {DEFAULT_QUEUE}]")
@click.option("--priority", type=int, default=0, show_default=True, help="Larger is sooner, within ±2,000.")
@click.option("--delay", type=float, default=0.0, show_default=True, help="Seconds from now.")
@click.option("--id", "task_id", help="An id of your own: while it is in the queue, no second task is made.")
@click.option("--expires", type=float, help="Seconds from now; what has not begun by then never runs.")
@click.option("--unique-key", help="While a task of the queue has this key, no second one is made.")
@click.option("--unique-for", type=float, help="Seconds for which the key is kept.  [default: until the task ends]")
@server_options
def command(
    words: tuple[str, ...],
    json_args: str | None,
    queue: str | None,
    priority: int,
    delay: float,
    task_id: str | None,
    expires: float | None,
    unique_key: str | None,
    unique_for: float | None,
    url: str | None,
    name: str | None,
    as_json: bool,
) -> None:
    """Enqueue one task, and print its id.

    With MODULE:YARD the arguments are checked against the task's handler. Without it the task goes by its name to
    whichever worker knows it. A VALUE is JSON where it can be read as JSON, else text; a handler's parameter that is
    annotated `str` gets text.

    \b
    Examples:
      taskyard enqueue shop:yard send_email to=ada@example.com subject=Welcome
      taskyard enqueue resize_image --queue images path=a.png width=640
      taskyard enqueue nightly_report --queue reports --id report-2024-11-20 --json-args '{"days": [1, 2]}'
    """
    app, task, pairs = _split(words)
    sending = Sending(
        priority=priority,
        delay=delay,
        task_id=task_id,
        expires=expires,
        unique_key=unique_key,
        unique_for=unique_for,
    )
    if app:
        from queue_core.worker.loading import load_yard

        declared = load_yard(app)
        definition = _definition(declared, task, app)
        arguments = read_arguments(pairs, json_args, _texts(definition))
        yard = Taskyard(url or declared.url, namespace=name or declared.namespace)
        message = replace(definition, queue=queue or definition.queue).message(sending, (), arguments)
    else:
        yard = Taskyard(url, namespace=name)
        message = message_by_name(task, queue or DEFAULT_QUEUE, read_arguments(pairs, json_args), sending)
    try:
        (handle,) = yard.enqueue_many([message])
    finally:
        yard.close()
    if as_json:
        print_json({"id": handle.id, "queue": handle.queue, "name": task, "is_new": handle.is_new, "met": handle.met})
    else:
        say(handle.id)
    if not handle.is_new:
        has = "has this unique key" if handle.is_duplicate else f"is in {handle.queue} already"
        note(f"No second task was made: {handle.id} {has}, {handle.met}.")


def _split(words: Sequence[str]) -> tuple[str, str, list[str]]:
    """The application or "", the task's name, and the arguments. A task's name may have a `:`, too."""
    names = [word for word in words[:2] if "=" not in word]
    if len(names) == 2 and ":" in names[0]:
        return names[0], names[1], list(words[2:])
    if not names or names[0] != words[0]:
        raise click.UsageError(f"{words[0]!r} is an argument: say the task's name first.")
    return "", words[0], list(words[1:])


def _definition(yard: Taskyard, task: str, app: str) -> Definition:
    if task not in yard.tasks:
        there = ", ".join(sorted(yard.tasks)[:30]) or "none"
        raise click.UsageError(f"{app} declares no task {task!r:.150}; there are: {there}.")
    return yard.tasks[task]


def _texts(definition: Definition) -> frozenset[str]:
    """The parameters that are annotated `str`."""
    parameters = inspect.signature(definition.handler).parameters.values()
    return frozenset(parameter.name for parameter in parameters if parameter.annotation in (str, "str"))


def read_arguments(pairs: Sequence[str], json_args: str | None, texts: frozenset[str] = frozenset()) -> dict[str, Any]:
    """By name. `texts`: those that are text, whatever they look like."""
    if json_args is not None:
        if pairs:
            raise click.UsageError(f"Say the arguments once: --json-args or {pairs[0]!r}.")
        found = _json(json_args)
        if not isinstance(found, dict):
            raise click.UsageError(f'--json-args {json_args!r:.80} is no JSON object, such as \'{{"to": "ada"}}\'.')
        return found
    arguments: dict[str, Any] = {}
    for pair in pairs:
        key, equals, value = pair.partition("=")
        if not key or not equals:
            raise click.UsageError(f"{pair!r:.80} is no argument: say key=value.")
        if key in arguments:
            raise click.UsageError(f"{key!r:.80} is given twice.")
        parsed = _json(value)
        is_text = key in texts or (parsed is None and value != "null")
        arguments[key] = value if is_text else parsed
    return arguments


def _json(text: str) -> Any:
    """The value; `None` where there is none. NaN and the like are no JSON."""
    try:
        return json.loads(text, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        if "integer string conversion" in str(error):
            raise click.UsageError(
                f"{text!r:.40}… has a number of more than {sys.get_int_max_str_digits():,} digits."
            ) from None
        return None


def _no_constant(name: str) -> Any:
    raise ValueError(name)
