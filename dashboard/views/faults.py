"""One fault: what fails, since when, where in the code, and the form that retries what died of it: its own preview."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import tzinfo
from urllib.parse import urlencode

from flask import Blueprint, Response, g, make_response, redirect, request, url_for

from dashboard.bulk import MOST_PER_MINUTE, Link, Pace, links, ways
from dashboard.chance import HOURS, Chance, Clock, chance
from dashboard.fault_chart import AttemptsChart, attempts_chart
from dashboard.fault_filter import FaultFilter, is_local
from dashboard.filters import clock, duration, minute
from dashboard.htmx import fresh, render_page
from dashboard.identity import actor
from dashboard.listing import Listing, listing, oldest_first
from dashboard.operation_page import OperationPage, operation_page
from dashboard.pagination import PAGE_SIZE
from dashboard.parts import parts
from dashboard.rendering import viewer
from dashboard.selections import Selection
from dashboard.targets import untaken
from dashboard.tracebacks import Traceback, parse_traceback
from queue_core.errors import CorruptQueue
from queue_core.snapshot import Bound, Fault, Operation, Page, State, WorkerSnapshot, is_live, takes

blueprint = Blueprint("faults", __name__)

OPERATIONS = 20
"""Of the queue: among so many those of the fault are looked for."""
TYPED = ("pace", "first", "per_minute", "reason")
"""Fields of the box: without a script its page is asked for again with what was typed, whatever that is."""
MOST_BEFORE = 5
MOST_VERSIONS = 8
"""That a fault keeps."""


@dataclass(frozen=True, slots=True)
class RetryBox:
    """What a press would retry: exactly these letters, those that died from `oldest_at` to `newest_at`.

    `spread`: how long it takes at the rate that is typed, empty where that is none. `untaken`: whether no present
    worker takes the queue, so that what is retried would wait.
    """

    bound: Bound
    selection: str
    oldest_at: int
    newest_at: int
    ways: tuple[str, ...]
    pace: Pace
    given: Mapping[str, str]
    spread: str
    purge: Link
    chance: Chance
    untaken: bool

    @property
    def count(self) -> int:
        return self.bound.count


@dataclass(frozen=True, slots=True)
class FaultPage:
    """`chosen`: when the letters died that are shown, and that `box` is bound to; `box`: what can be retried;
    `current`: what somebody does to these letters now, which takes its place; `before`: what was done to them, newest
    first, `undone`: of which of that; `versions`: of the application, that fail and that do not."""

    fault: Fault
    traceback: Traceback
    listing: Listing
    state: State
    versions: str
    chart: AttemptsChart
    chosen: FaultFilter
    box: RetryBox | None
    current: OperationPage | None
    before: tuple[Operation, ...]
    undone: frozenset[str]

    @property
    def is_filtered(self) -> bool:
        return self.chosen.is_timed


@blueprint.get("/queues/<name>/faults/<fingerprint>")
def show(name: str, fingerprint: str) -> Response:
    inspector = parts().inspector
    times = {what: request.args.get(what, "") for what in ("since", "until")}
    chosen = FaultFilter.read(times, viewer().zone)
    if any(map(is_local, times.values())):
        address = url_for("faults.show", name=name, fingerprint=fingerprint)
        query = {**chosen.query(), **({"order": request.args["order"]} if "order" in request.args else {})}
        return fresh(make_response(redirect(f"{address}?{urlencode(query)}", 303)))  # the same for everybody
    fault, newest = inspector.fault(name, fingerprint)
    page = _letters(name, fingerprint, chosen)
    operations = inspector.operations(OPERATIONS, name)
    done = [one for one in operations if is_of(one.bound, fingerprint)]
    undone = frozenset(one.bound.undoes for one in operations if one.bound.verb == "restore" and one.done)
    under_way = next((operation for operation in done if not operation.has_ended), None)
    context = FaultPage(
        fault=fault,
        traceback=parse_traceback(newest),
        listing=listing(page, inspector, state=State.DEAD, fingerprint=fingerprint),
        state=State.DEAD,
        versions=version_words(fault, _workers(), g.now_ms),
        chart=attempts_chart(fault, done, g.now_ms, _workers(), undone),
        chosen=chosen,
        box=None if under_way else _box(fault, chosen),
        current=operation_page(under_way) if under_way else None,
        before=tuple(operation for operation in done if operation.has_ended)[:MOST_BEFORE],
        undone=undone,
    )
    panels = {
        "fault-head": "faults/_head.html",
        "attempts": "faults/_attempts.html",
        "retry-box": "faults/_retry.html",
        "traceback": "faults/_traceback.html",
        "before": "faults/_before.html",
        "list": "tasks/_list.html",
    }
    return render_page("faults/show.html", panels, context)


def _letters(queue: str, fingerprint: str, chosen: FaultFilter) -> Page:
    inspector, cursor, oldest = parts().inspector, request.args.get("cursor"), oldest_first()
    if not chosen.is_timed:
        return inspector.letters(queue, fingerprint=fingerprint, cursor=cursor, limit=PAGE_SIZE, oldest_first=oldest)
    named, (since, until) = [(queue, fingerprint)], (chosen.since, chosen.until)
    return inspector.letters_of(named, since=since, until=until, cursor=cursor, limit=PAGE_SIZE, oldest_first=oldest)


def is_of(bound: Bound, fingerprint: str) -> bool:
    """Whether letters of that fault are among what an operation is bound to; one that names none is on all."""
    return bound.state is State.DEAD and (not bound.faults or fingerprint in bound.faults)


def version_words(fault: Fault, workers: Iterable[WorkerSnapshot], now_ms: int) -> str:
    """`worker version 1.9.0 only (1.8.4: none)`: of the workers that could run it now, whose version never failed."""
    if not fault.versions:
        return ""
    failing, well = ", ".join(fault.versions), well_versions(fault, workers, now_ms)
    what = "worker version" if len(fault.versions) == 1 else "worker versions"
    if not well or len(fault.versions) >= MOST_VERSIONS:
        return f"{what} {failing}"
    return f"{what} {failing} only ({', '.join(well)}: none)"


def well_versions(fault: Fault, workers: Iterable[WorkerSnapshot], now_ms: int) -> list[str]:
    """Of workers that could run it now, those that are not known to have failed."""
    able = (w for w in workers if takes(w, fault.queue) and is_live(w, now_ms) and fault.task_name in w.task_names)
    return sorted({worker.version for worker in able} - {"", *fault.versions})


def _box(fault: Fault, chosen: FaultFilter) -> RetryBox | None:
    """The newest letter that is counted is the bound, so that what dies later is never among them."""
    count, oldest, newest = parts().inspector.letter_ends(
        fault.queue, fault.fingerprint, since=chosen.since, until=chosen.until
    )
    if not count or oldest is None or newest is None:
        return None
    taken_at = max(newest, g.now_ms - g.now_ms % 60_000)  # the same for a minute: a refresh without news is none
    bound = Bound(fault.queue, "requeue", State.DEAD, taken_at, count, (fault.fingerprint,), chosen.since, newest)
    query = {"fault": fault.fingerprint, **chosen.query()}
    would_work = chance_of(fault, _clock(g.now_ms, viewer().zone))
    return RetryBox(
        bound=bound,
        selection=Selection((bound,), actor()).sign(),
        oldest_at=oldest,
        newest_at=newest,
        ways=ways("requeue"),
        pace=Pace.usual(bound.verb, bound.count, is_doubtful=would_work.is_doubtful),
        given={name: request.args[name] for name in TYPED if name in request.args},
        spread=spread_words(count, request.args.get("per_minute", str(Pace().per_minute))),
        purge=next(link for link in links(fault.queue, State.DEAD, count, query) if "/trash" in link.href),
        chance=would_work,
        untaken=bool(untaken([fault.queue])),
    )


def chance_of(fault: Fault, clock: Clock) -> Chance:
    """Whether it would work now."""
    try:
        found = parts().inspector.statistics(fault.queue, hours=HOURS, by_name=True)
    except CorruptQueue:
        return Chance("Not known", "the figures of this queue cannot be read")
    hours = next((one.hours for one in found.names if one.name == fault.task_name), ())
    return chance(fault, hours, found.attempts.get(fault.task_name), clock)


def _clock(now_ms: int, zone: tzinfo) -> Clock:
    return Clock(now_ms, lambda at: clock(at, now_ms, zone), lambda at: minute(at, now_ms, zone))


def spread_words(count: int, per_minute: str) -> str:
    """`20 min`: how long so many take; empty where that is no number that could be sent."""
    rate = int(per_minute) if per_minute.isascii() and per_minute.isdigit() and len(per_minute) < 9 else 0
    return duration(count * 60_000 / rate) if 1 <= rate <= MOST_PER_MINUTE else ""


def _workers() -> tuple[WorkerSnapshot, ...]:
    return g.view.snapshot.workers if g.view.snapshot else ()
