"""`taskyard demo`."""

from __future__ import annotations

import math
import sys

import click


@click.command("demo")
@click.option("--port", type=click.IntRange(1, 65535), help="Port of the console.  [default: 8080, or the next free]")
@click.option("--rate", type=click.FloatRange(0, 1000), default=5.0, show_default=True, help="Tasks a second.")
@click.option("--seconds", type=click.FloatRange(0, min_open=True), help="End by itself after so long.")
@click.option("--no-browser", is_flag=True, help="Open no browser.")
@click.option("--quiet", is_flag=True, help="Print the console's address and the summary only.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object a line.")
def command(port: int | None, rate: float, seconds: float | None, no_browser: bool, quiet: bool, as_json: bool) -> int:
    """Server, workers, producer and console in one terminal.

    Starts a server of its own, two workers, a console, and a producer that enqueues tasks, some of which fail. Nothing
    else on this machine is touched, and nothing is left when it ends.

    \b
    Examples:
      taskyard demo                         Ctrl-C ends it
      taskyard demo --port 9000 --rate 20
      taskyard demo --seconds 30 --json
    """
    if quiet and as_json:
        raise click.UsageError("--quiet and --json exclude each other.")
    if not math.isfinite(rate) or not math.isfinite(seconds or 0):
        raise click.UsageError("--rate and --seconds take numbers.")
    from queue_core.demo.reporter import Output
    from queue_core.demo.runner import DemoSettings, run_demo

    output = Output.BRIEF if quiet else Output.JSON if as_json else Output.TEXT
    settings = DemoSettings(port, rate, seconds, opens_browser=not (no_browser or as_json), output=output)
    return run_demo(settings, sys.stdout)
