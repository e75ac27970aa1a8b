"""`taskyard stats`."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict

import click

from queue_core.cli.options import connect, server_options
from queue_core.cli.output import bold, note_unreadable, print_json, safe, say
from queue_core.cli.tables import table
from queue_core.errors import InvalidArgument, TaskyardError
from queue_core.formats import ago, count, duration
from queue_core.formats import clock as clock_time
from queue_core.histogram import BOUNDS_MS, Histogram
from queue_core.inspector import Inspector
from queue_core.snapshot import Figures, NameStatistics, Statistics
from queue_core.telemetry import MAX_HOURS, MAX_MINUTES, MINUTE_MS

TIMES = ("Wait p50", "p95", "p99", "Run p50", "p95", "p99")
QUEUE_HEADS = ("Queue", "In/s", "Out/s", "Ready", "Oldest wait", "Drains in", "Completed", "Failed", "Dead", *TIMES)
COUNTS = ("enqueued", "completed", "failed", "retried", "died", "expired", "cancelled")
COUNT_HEADS = ("Enqueued", "Completed", "Failed", "Retried", "Dead", "Expired", "Cancelled")
LINES = ("enqueued", "completed", "failed", "died")
"""What is drawn over time."""
DRAWN = 60
"""Characters of such a line at most."""
BARS = "▁▂▃▄▅▆▇█"


@click.command("stats")
@click.argument("queue", required=False)
@click.option("--hours", type=click.IntRange(1, MAX_HOURS), help="The last hours.  [default: 24]")
@click.option("--minutes", type=click.IntRange(1, MAX_MINUTES), help="The last minutes.")
@click.option("--names", is_flag=True, help="Also by task name: the busiest of each hour, kept for 7 days.")
@server_options
def command(
    queue: str | None,
    hours: int | None,
    minutes: int | None,
    names: bool,
    url: str | None,
    name: str | None,
    as_json: bool,
) -> int:
    """Show how much came in and went out, and how long tasks waited and ran.

    In/s and out/s are those of the last 5 minutes. Failed counts attempts; dead, the tasks given up on. Percentiles are
    read off buckets of 1, 2, 5, 10 … ms: the true value lies within the same bucket.

    \b
    Examples:
      taskyard stats
      taskyard stats email --minutes 60
      taskyard stats email --hours 168 --names
      taskyard stats email --json | jq '.total.wait.p95_ms'
    """
    if hours and minutes:
        raise InvalidArgument("--hours and --minutes are not accepted together: one of them")
    found: list[Statistics] = []
    unreadable: dict[str, str] = {}
    with connect(url, name) as client:
        inspector = Inspector(client=client)
        for one in [queue] if queue else inspector.queue_names():
            try:
                found.append(inspector.statistics(one, minutes=minutes or 0, hours=hours or 0, by_name=names))
            except TaskyardError as error:
                if queue:
                    raise
                unreadable[one] = str(error)
    if as_json:
        objects = [as_object(statistics) for statistics in found]
        print_json(objects[0] if queue else objects)
    elif queue:
        say(as_text(found[0]))
    else:
        say(as_table(found))
        for statistics in found if names else ():
            say(f"\n{bold(safe(statistics.queue))}\n{names_table(statistics)}")
    return note_unreadable("stats", unreadable)


# For people.


def as_table(found: Sequence[Statistics]) -> str:
    """A row for each queue."""
    if not found:
        return "There are no queues yet: one begins with its first task."
    rows = []
    for statistics in found:
        total = statistics.total
        rows.append(
            (
                statistics.queue,
                rate(statistics.arrival_rate),
                rate(statistics.service_rate),
                count(statistics.ready),
                waits(statistics),
                drains(statistics),
                *map(count, (total.completed, total.failed, total.died)),
                *times(total),
            )
        )
    return f"{bold(span(found[0]))}\n{table(QUEUE_HEADS, rows)}"


def as_text(statistics: Statistics) -> str:
    """One queue: how it stands, how that came about, and its periods, oldest first."""
    blocks = ["\n".join([bold(f"{safe(statistics.queue)}, {span(statistics)}"), *facts(statistics)])]
    if lines := drawing(statistics):
        blocks.append("\n".join(lines))
    rows = [
        (clock_time(period.at, statistics.taken_at), *counts(period.figures), *times(period.figures))
        for period in statistics.periods
        if period.figures != Figures()
    ]
    if rows:
        unit = "Minute" if statistics.step_ms == MINUTE_MS else "Hour"
        blocks.append(table((f"{unit} (UTC)", *COUNT_HEADS, *TIMES), rows))
    else:
        blocks.append("Nothing was counted in this time.")
    if statistics.names or statistics.others != Figures():
        blocks.append(names_table(statistics))
    return "\n\n".join(blocks)


def facts(statistics: Statistics) -> list[str]:
    measured = duration(statistics.rate_seconds)
    total = statistics.total
    lines = [
        f"  Rates      in {rate(statistics.arrival_rate)}/s, out {rate(statistics.service_rate)}/s (last {measured})",
        f"  Ready      {count(statistics.ready)}{outlook(statistics)}",
    ]
    for label, histogram in (("Wait", total.wait), ("Run", total.run)):
        p50, p95, p99 = percentiles(histogram)
        lines.append(f"  {label:<10} p50 {p50}, p95 {p95}, p99 {p99} ({count(histogram.count, 'attempt')})")
    if statistics.arrival_rate is None:
        lines[0] = f"  Rates      not known yet: counted for {measured}"
    return lines


def drawing(statistics: Statistics) -> list[str]:
    """A line of bars for each of some counters that counted anything."""
    lines = []
    for what in LINES:
        numbers = [getattr(period.figures, what) for period in statistics.periods]
        if any(numbers):
            label = COUNT_HEADS[COUNTS.index(what)]
            lines.append(f"  {label:<10} {sparkline(numbers)} {count(sum(numbers))}")
    return lines


def names_table(statistics: Statistics) -> str:
    def success(of: NameStatistics) -> str:
        told = statistics.attempts.get(of.name)
        if told is None:
            return "?" if of.total.completed else "–"
        return ago(told.last_completed_at, statistics.taken_at)

    rows = [(of.name, *counts(of.total), *times(of.total), success(of)) for of in statistics.names]
    if statistics.others != Figures():
        rows.append(("(others)", *counts(statistics.others), *times(statistics.others), ""))
    return (
        table(("Task", *COUNT_HEADS, *TIMES, "Last success"), rows)
        if rows
        else "No task name was counted in this time."
    )


def sparkline(numbers: Sequence[int], most: int = DRAWN) -> str:
    """Bars up to the largest; neighbours are drawn as one where there are more than `most`. Zero is the lowest bar."""
    size = -(-len(numbers) // most) or 1
    starts = range(-(-len(numbers) % size), len(numbers), size)  # the newest bar is a whole one
    sums = [max(0, sum(numbers[max(0, start) : start + size])) for start in starts]
    largest = max(sums, default=0) or 1
    return "".join(BARS[-(-number * (len(BARS) - 1) // largest)] for number in sums)


def span(statistics: Statistics) -> str:
    unit = "minute" if statistics.step_ms == MINUTE_MS else "hour"
    periods = len(statistics.periods)
    return f"last {unit}" if periods == 1 else f"last {count(periods, unit)}"


def counts(figures: Figures) -> tuple[str, ...]:
    return tuple(count(getattr(figures, what)) for what in COUNTS)


def times(figures: Figures) -> tuple[str, ...]:
    return (*percentiles(figures.wait), *percentiles(figures.run))


def percentiles(histogram: Histogram) -> tuple[str, ...]:
    """p50, p95, p99; of what lies in the last bucket only the least is known."""

    def shown(ms: float | None) -> str:
        if ms is None:
            return "–"
        return f"{'> ' if ms >= BOUNDS_MS[-1] else ''}{duration(ms / 1000)}"

    return tuple(map(shown, (histogram.p50_ms, histogram.p95_ms, histogram.p99_ms)))


def rate(per_second: float | None) -> str:
    if per_second is None:
        return "–"
    return f"{per_second:,.0f}" if per_second >= 100 else f"{per_second:.2g}" if per_second < 1 else f"{per_second:.1f}"


def waits(statistics: Statistics) -> str:
    return "–" if statistics.oldest_wait_ms is None else duration(statistics.oldest_wait_ms / 1000)


def drains(statistics: Statistics) -> str:
    seconds = statistics.time_to_drain_seconds
    return "?" if seconds is None else "never" if math.isinf(seconds) else duration(seconds) if seconds else "–"


def outlook(statistics: Statistics) -> str:
    """What becomes of what is ready, as the end of a sentence."""
    seconds = statistics.time_to_drain_seconds
    if not statistics.ready:
        return ""
    words = {None: "when it is drained is not known yet", math.inf: "at these rates it never drains"}
    told = words.get(seconds) or f"at these rates drained in {drains(statistics)}"
    return f", oldest wait {waits(statistics)}; {told}"


# For programs.


def as_object(statistics: Statistics) -> dict[str, object]:
    """`time_to_drain_seconds` is null where it never drains, or nobody knows: `is_draining` tells which."""
    seconds = statistics.time_to_drain_seconds
    return {
        "queue": statistics.queue,
        "taken_at": statistics.taken_at,
        "since_at": statistics.since,
        "arrival_rate": statistics.arrival_rate,
        "service_rate": statistics.service_rate,
        "rate_seconds": statistics.rate_seconds,
        "ready": statistics.ready,
        "oldest_wait_ms": statistics.oldest_wait_ms,
        "time_to_drain_seconds": seconds if seconds is not None and math.isfinite(seconds) else None,
        "is_draining": None if seconds is None else math.isfinite(seconds),
        "total": figures_object(statistics.total),
        "step_ms": statistics.step_ms,
        "periods": [{"at": period.at, **figures_object(period.figures)} for period in statistics.periods],
        "names": {name.name: figures_object(name.total) for name in statistics.names},
        "others": figures_object(statistics.others),
        "attempts": {
            name: {"last_completed_at": told.last_completed_at, "minutes": [asdict(minute) for minute in told.minutes]}
            for name, told in statistics.attempts.items()
        },
        "bucket_bounds_ms": BOUNDS_MS,
    }


def figures_object(figures: Figures) -> dict[str, object]:
    def times_object(histogram: Histogram) -> dict[str, object]:
        found = {"p50_ms": histogram.p50_ms, "p95_ms": histogram.p95_ms, "p99_ms": histogram.p99_ms}
        return {"count": histogram.count, **found, "buckets": histogram.counts}

    return {**asdict(figures), "wait": times_object(figures.wait), "run": times_object(figures.run)}
