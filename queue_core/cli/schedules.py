"""`taskyard schedules`."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, tzinfo
from typing import Any
from zoneinfo import ZoneInfo

import click

from queue_core.cli.actions import acting_options, actor, ask, new_action_id
from queue_core.cli.enqueue import read_arguments
from queue_core.cli.options import connect, server_options
from queue_core.cli.output import bold, note, paint, print_json, safe, say
from queue_core.cli.tables import table
from queue_core.client import Client
from queue_core.formats import clock, duration, until, when
from queue_core.inspector import Inspector
from queue_core.schedule import MISSED, MISSED_WORDS
from queue_core.schedules import Schedules
from queue_core.settings import DEFAULT_QUEUE
from queue_core.snapshot import Outcome, ScheduleSnapshot

HEADS = ("Schedule", "State", "When", "Task", "Queue", "Next", "Last", "Came to")
DONE = {
    "add": "is added", "change": "is changed", "remove": "is removed; tasks that it has made stay",
    "pause": "is paused", "resume": "goes on", "run-now": "has made a task",
}  # fmt: skip


@click.command("schedules")
@click.argument("action", type=click.Choice(["list", "show", *DONE]), default="list")
@click.argument("name_", metavar="[NAME]", required=False)
@click.argument("words", metavar="[TASK] [KEY=VALUE]...", nargs=-1)
@click.option("--cron", help="Five fields, or @daily and the like.")
@click.option("--every", type=float, metavar="SECONDS", help="An interval instead, counted from 1970, UTC.")
@click.option("--time-zone", help="Of --cron: an IANA name, such as Europe/Vienna.  [default: UTC]")
@click.option("--missed", type=click.Choice(MISSED), help="Which missed ones are made up for.  [default: one]")
@click.option(
    "--overlap/--no-overlap", default=None, help="Also while the task of an earlier one has not ended.  [default: yes]"
)
@click.option("--json-args", metavar="OBJECT", help="The arguments as one JSON object.")
@click.option("--queue", help=f"With add.  [default: {DEFAULT_QUEUE}]")
@click.option("--priority", type=int, default=0, help="With add: larger is sooner, within ±2,000.")
@acting_options
@server_options
def command(
    action: str,
    name_: str | None,
    words: tuple[str, ...],
    cron: str | None,
    every: float | None,
    time_zone: str | None,
    missed: str | None,
    overlap: bool | None,
    json_args: str | None,
    queue: str | None,
    priority: int,
    reason: str,
    by: str | None,
    yes: bool,
    url: str | None,
    name: str | None,
    as_json: bool,
) -> int:
    """List what comes when, show one schedule, or add, change, remove, pause, resume or run one.

    A schedule enqueues its task as long as any worker runs. One that code declares is best changed there; a pause
    stays whatever is deployed. Everything but add asks first. Exit code 1 where nothing was changed.

    \b
    Examples:
      taskyard schedules
      taskyard schedules show nightly-report
      taskyard schedules add nightly-report report --queue reports --cron "0 3 * * *" --time-zone Europe/Vienna days=7
      taskyard schedules add ping check_health --every 30 --missed skip --no-overlap
      taskyard schedules pause nightly-report --reason "the warehouse moves" --yes
      taskyard schedules run-now nightly-report --yes
      taskyard schedules change nightly-report --cron "30 4 * * *" --yes
      taskyard schedules --json | jq '.schedules[] | select(.overdue_since) | .name'
    """
    if (action == "list") != (name_ is None):
        raise click.UsageError("Say which schedule: list takes no NAME, everything else does.")
    rule: dict[str, Any] = {"cron": cron, "every": every, "time_zone": time_zone}
    policy: dict[str, Any] = {"missed": missed, "overlap": overlap}
    changes = {option: value for option, value in {**rule, **policy}.items() if value is not None}
    is_of_add = queue is not None or priority != 0
    is_of_both = bool(changes or words or json_args is not None)
    if (is_of_add and action != "add") or (is_of_both and action not in ("add", "change")):
        raise click.UsageError(f"{action} takes a NAME and no other word or option of add or change.")
    with connect(url, name) as client:
        inspector = Inspector(client=client)
        if name_ is None:
            _list(inspector, as_json)
            return 0
        if action == "show":
            _show(inspector, name_, as_json)
            return 0
        who: dict[str, Any] = {"by": actor(by), "reason": reason, "action_id": new_action_id()}
        schedules = Schedules(client=client)
        if action == "add":
            if not words:
                raise click.UsageError("Say which task: taskyard schedules add NAME TASK.")
            given = {**changes, "queue": queue or DEFAULT_QUEUE, "priority": priority}
            outcome = schedules.add(name_, words[0], arguments=read_arguments(words[1:], json_args), **given, **who)
        else:
            found = inspector.schedule(name_)
            details = [as_text(found, inspector.server_ms())]
            ask(f"{action.capitalize().replace('-', ' ')} schedule {found.name}", yes, details=details)
            if action == "change":
                if words or json_args is not None:
                    changes["arguments"] = read_arguments(words, json_args)
                outcome = schedules.change(name_, **changes, **who)
            else:
                outcome = getattr(schedules, action.replace("-", "_"))(name_, **who)
            if action == "remove" and found.app and not found.undeclared_at and not as_json:
                note(f"{found.app} declares it: it is there again when a worker of that starts. To stop it, pause it.")
        return _tell(outcome, action, name_, client, as_json)


def _list(inspector: Inspector, as_json: bool) -> None:
    found = inspector.schedules()
    if as_json:
        print_json({"schedules": found})
    else:
        say(as_table(found, inspector.server_ms()))
        if found and not any(schedule.has_scheduler for schedule in found if not schedule.unreadable):
            note("No worker is alive, so nothing is enqueued. Start one with: taskyard worker module:yard")


def _show(inspector: Inspector, name: str, as_json: bool) -> None:
    found = inspector.schedule(name)
    if as_json:
        print_json(found)
    else:
        say(as_text(found, inspector.server_ms()))


def _tell(outcome: Outcome, action: str, name: str, client: Client, as_json: bool) -> int:
    if as_json:
        print_json({"verb": outcome.verb, "done": outcome.done, "skipped": outcome.skipped})
    elif not outcome.done:
        note(f"Nothing was changed: {safe(', '.join(outcome.skipped.values()))}.")
    elif action == "run-now":
        say(f"{safe(name)} has made task {outcome.done[0]}.")
    else:
        found = None if action == "remove" else Inspector(client=client).schedule(name)
        coming = f": {safe(found.words)}" if found and action in ("add", "change") else ""
        say(f"{safe(name)} {DONE[action]}{coming}.")
    return int(not outcome.done)


def as_table(schedules: Sequence[ScheduleSnapshot], now_ms: int) -> str:
    if not schedules:
        return "There are no schedules: declare one with yard.schedule(…), or see taskyard schedules --help."
    return table(HEADS, [_row(schedule, now_ms) for schedule in schedules], left=len(HEADS))


def _row(schedule: ScheduleSnapshot, now_ms: int) -> tuple[str, ...]:
    return (
        schedule.name,
        schedule.condition,
        schedule.words or schedule.unreadable,
        schedule.task,
        schedule.queue,
        until(schedule.next_at[0], now_ms) if schedule.next_at else "–",
        when(schedule.last_at, now_ms) if schedule.last_at is not None else "–",
        _came_to(schedule) or "–",
    )


def _came_to(schedule: ScheduleSnapshot) -> str:
    if schedule.last_at is None:
        return ""
    if schedule.last_was_met:
        return "no task: overlap"
    return schedule.last_state.value if schedule.last_state else "ended, no record"


def as_text(schedule: ScheduleSnapshot, now_ms: int) -> str:
    """Several lines."""
    state = schedule.condition
    if schedule.unreadable:
        return f"{paint('Unreadable', state)}: {safe(schedule.unreadable)}"
    zone: tzinfo = ZoneInfo(schedule.time_zone) if schedule.time_zone else UTC
    policy = MISSED_WORDS.get(schedule.missed, schedule.missed)
    overlap = "" if schedule.overlap else "; none while the task of an earlier one has not ended"
    who = f"declared by {schedule.app}" if schedule.app else f"added by {schedule.by}"
    if schedule.app and schedule.by:
        who += f", changed by {schedule.by} {when(schedule.changed_at, now_ms)}"
    lines = [
        f"{paint(state.capitalize(), state)}: {_why(schedule, now_ms)}",
        f"{bold(safe(schedule.name))} {safe(schedule.words)}",
        f"{safe(schedule.task)} in {safe(schedule.queue)} {safe(schedule.payload)}",
        f"{policy}{overlap}; {safe(who)}",
    ]
    if schedule.last_at is not None:
        came = _came_to(schedule)
        at = clock(schedule.last_at, now_ms, zone)
        lines.append(f"Last: {at} ({when(schedule.last_at, now_ms)}), task {safe(schedule.last_task_id)}: {came}")
    if schedule.next_at:
        moments = ", ".join(clock(at, now_ms, zone) for at in schedule.next_at)
        lines.append(f"Next: {moments} ({schedule.time_zone or 'UTC'})")
    return "\n".join(lines)


def _why(schedule: ScheduleSnapshot, now_ms: int) -> str:
    if schedule.pause:
        reason = f": {schedule.pause.reason}" if schedule.pause.reason else ""
        return safe(f"by {schedule.pause.by} {when(schedule.pause.at, now_ms)}{reason}")
    if schedule.overdue_since is not None:
        late = duration((now_ms - schedule.overdue_since) / 1000)
        cause = "its queue takes no task" if schedule.has_scheduler else "no worker is alive, so nobody enqueues it"
        return f"it should have come {late} ago; {cause}"
    if schedule.undeclared_at:
        return safe(f"{schedule.app} began without it {when(schedule.undeclared_at, now_ms)}; remove it, or declare it")
    coming = until(schedule.next_at[0], now_ms) if schedule.next_at else "never"
    return f"it comes {coming}"
