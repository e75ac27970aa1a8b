"""`taskyard explain`."""

from __future__ import annotations

import click

from queue_core.cli.options import connect, server_options
from queue_core.cli.output import paint, print_json, safe, say
from queue_core.explain import Cause, Explanation, explain, explain_queue
from queue_core.inspector import Inspector
from queue_core.keys import check_name

WORDS = {"bad": "dead", "warn": "paused"}
"""Tone → the state whose colour it has."""


@click.command("explain")
@click.argument("what", metavar="ID|QUEUE")
@click.option("--queue", help="WHAT is a task of this queue.")
@server_options
def command(what: str, queue: str | None, url: str | None, name: str | None, as_json: bool) -> int:
    """Say why a task or a queue waits, and what helps.

    Of a queue the worst comes first. Exit code 1 for an id that nobody knows.

    \b
    Examples:
      taskyard explain email
      taskyard explain 0kV3mQrvgYBGjfebBMu30d
      taskyard explain order-88121 --queue billing --json | jq -r .cause
    """
    with connect(url, name) as client:
        inspector = Inspector(client=client)
        if queue:
            check_name("queue", queue)
            inspector.queue(queue)
        elif what in inspector.queue_names():
            reasons = explain_queue(inspector, what)
            if as_json:
                print_json({"queue": what, "explanations": reasons})
            else:
                say("\n".join(map(as_text, reasons)))
            return 0
        found = explain(inspector, what, queue)
    if as_json:
        print_json(found)
    else:
        say(as_text(found))
    return int(found.cause is Cause.UNKNOWN_TASK)


def as_text(explanation: Explanation) -> str:
    """The sentence, and below it the command that helps."""
    sentence = paint(safe(explanation.sentence), WORDS.get(explanation.tone, ""))
    if not explanation.remedy:
        return sentence
    return f"{sentence}\n  {explanation.remedy}: {safe(explanation.remedy_command)}"
