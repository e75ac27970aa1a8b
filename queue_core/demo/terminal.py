"""What the demo's terminal shows of each fact: pure functions from values to lines."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass

from queue_core.demo import facts
from queue_core.demo.facts import Fact, Totals
from queue_core.formats import count, duration, elapsed, short_id, shorten

LABEL_WIDTH = 10
MARGIN = "  ✓ "
TIME_COLUMN = 77
TEXT_BEGINS_BEFORE = 20
_COLOUR = re.compile("\x1b\\[[0-9;]*m")
LEAST_FIRST = ("running", "retrying", "waiting", "enqueued", "completed")
"""What a narrow status line can do without."""
NAME_OF_LOAD = {"e-mails": "e-mail", "images": "image", "orders": "order", "reports": "report"}


@dataclass(frozen=True)
class Style:
    """`is_terminal`: the last line can be rewritten, and no line may be wider than `width` columns."""

    is_terminal: bool = False
    has_colour: bool = False
    is_unicode: bool = True
    width: int = 120

    @property
    def tick(self) -> str:
        return self.good("✓" if self.is_terminal and self.is_unicode else "ok")

    @property
    def cross(self) -> str:
        return self.bad("✗" if self.is_terminal and self.is_unicode else "not ok")

    def good(self, text: str) -> str:
        return self._coloured("32", text)

    def bad(self, text: str) -> str:
        return self._coloured("31", text)

    def warn(self, text: str) -> str:
        return self._coloured("33", text)

    def dim(self, text: str) -> str:
        return self._coloured("2", text)

    def strong(self, text: str) -> str:
        return self._coloured("1", text)

    def _coloured(self, code: str, text: str) -> str:
        return f"\x1b[{code}m{text}\x1b[0m" if self.has_colour else text


def lines(fact: Fact, at_seconds: float, style: Style) -> list[str]:
    """The lines that tell of a fact; none for what a person need not read. On a terminal, none is wider than that."""
    told = _lines(fact, at_seconds, style)
    return [part for line in told for part in fold(line, style.width)] if style.is_terminal else told


def _lines(fact: Fact, at_seconds: float, style: Style) -> list[str]:
    match fact:
        case facts.DemoStarted():
            title = style.strong(f"Taskyard {fact.version} demo.")
            return [f"{title} Everything runs on this machine and is removed when it ends.", ""]
        case facts.PortMoved():
            return [f"Port {fact.usual} is in use, so the console is on {fact.port}.", ""]
        case facts.ServerReady():
            return [_step(style, "server", f"{fact.product} with append-only file", fact.seconds)]
        case facts.WorkersReady():
            return [_step(style, "workers", _workers(fact), fact.seconds)]
        case facts.LoadEnqueued():
            return [_step(style, "tasks", _load(fact))]
        case facts.ConsoleReady():
            return [_step(style, "console", fact.url, fact.seconds, style.strong(fact.url))]
        case facts.Ready():
            return _try_this(fact)
        case facts.Died():
            return [_line(style, at_seconds, _died(fact, style))]
        case facts.WarehouseOpened():
            return [_line(style, at_seconds, _warehouse(fact, style))]
        case facts.WarehouseClosed():
            return [_line(style, at_seconds, f"{style.warn('warehouse is closed')} by {_who(fact.by)}: orders fail")]
        case facts.Burst():
            return [_told(style, at_seconds, "burst", f"{count(fact.tasks, 'task')} by {_who(fact.by)}")]
        case facts.WorkerAdded():
            slots = f"{fact.worker} ({fact.concurrency} at once)"
            return [_told(style, at_seconds, "worker", f"{slots} was added by {_who(fact.by)}")]
        case facts.WorkerKilled():
            text = f"{fact.worker} by {_who(fact.by)}, SIGKILL, {count(fact.running, 'task')} in its hands"
            return [_line(style, at_seconds, f"{style.bad(_label('killed'))} {text}")]
        case facts.TasksBack():
            text = f"{count(fact.tasks, 'task')} of {fact.worker}, {fact.seconds:.0f} s after it was killed"
            return [_told(style, at_seconds, "back", text)]
        case facts.Retried():
            return [_line(style, at_seconds, f"{style.good(_label('retried'))} {_retried(fact)}")]
        case facts.Purged():
            return [
                _line(style, at_seconds, f"{_label('purged')} {count(fact.letters, 'dead letter')} by {_who(fact.by)}")
            ]
        case facts.Totals():
            return [_line(style, at_seconds, status(fact))]
        case facts.Stopping():
            hint = " (Ctrl-C again to end at once)" if fact.by_signal else ""
            return [f"Stopping{hint}"]
        case facts.WorkersStopped():
            return [_step(style, "", _stopped(fact), fact.seconds)]
        case facts.Removed():
            return _removed(fact, style)
        case facts.Failed():
            return [f"{style.bad('taskyard demo:')} {fact.reason}", *(f"    {line}" for line in fact.lines)]
        case facts.Summary():
            return ["", *_summary(fact, style)]
    return []


def fold(line: str, width: int) -> list[str]:
    """A line in pieces that fit, broken at spaces; what follows the first stands below the beginning of its text."""
    if _width(line) <= width:
        return [line]
    beginning = _COLOUR.sub("", line)[:TEXT_BEGINS_BEFORE]
    hang = max((gap.end() for gap in re.finditer("  +", beginning)), default=0)
    pieces, piece = [], ""
    for word in re.split("(?<! )(?= )", line):
        if piece and _width(piece) + _width(word) > width:
            pieces.append(piece)
            piece = f"{' ' * hang}{word.lstrip(' ')}"
        else:
            piece += word
    return [*pieces, piece]


def _width(text: str) -> int:
    return len(_COLOUR.sub("", text))


def brief_lines(fact: Fact, style: Style) -> list[str]:
    """What `--quiet` leaves: the address, what went wrong, the summary."""
    match fact:
        case facts.ConsoleReady():
            return [fact.url]
        case facts.PortMoved() | facts.Failed():
            return [line for line in lines(fact, 0.0, style) if line]
        case facts.Removed() if fact.left:
            return _removed(fact, style)
        case facts.Summary():
            return _summary(fact, style)[:-1]
    return []


def json_line(fact: Fact, at_seconds: float) -> str:
    found = {"event": fact.event, "at": round(at_seconds, 3), **_rounded(asdict(fact))}
    if isinstance(fact, facts.Summary):
        found["is_balanced"] = fact.is_balanced
    return json.dumps(found, ensure_ascii=False)


def status(totals: Totals, width: int | None = None) -> str:
    """`enqueued 371 · completed 322 · waiting 31 · running 10 · retrying 7 · dead 1`.

    Where that is wider than `width`, what matters least is left out.
    """
    always = {"enqueued", "completed", "waiting", "running", "retrying", "dead"}
    parts = {
        word: number for word, number in (("enqueued", totals.enqueued), *totals.parts) if number or word in always
    }
    for word in sorted(LEAST_FIRST, key=lambda word: bool(parts.get(word))):
        if width is None or len(_joined(parts)) <= width:
            break
        parts.pop(word, None)
    return _joined(parts) if width is None else shorten(_joined(parts), width)


def status_line(totals: Totals, at_seconds: float, style: Style) -> str:
    """The line that is rewritten: never wider than the terminal, or it would leave pieces behind."""
    return _line(style, at_seconds, status(totals, style.width - len(elapsed(at_seconds)) - 3))


def _joined(parts: Mapping[str, int]) -> str:
    return " · ".join(f"{word} {number:,}" for word, number in parts.items())


def _step(style: Style, label: str, text: str, seconds: float | None = None, shown: str = "") -> str:
    start = f"{_label(label)} " if label else ""
    took = ""
    if seconds is not None:
        took = f"{seconds:.1f} s" if seconds >= 0.05 else "< 0.1 s"
        room = min(TIME_COLUMN + len("0.3 s"), style.width) - len(MARGIN) - len(start) - len(text) - len(took)
        took = f"{' ' * room}{style.dim(took)}" if room >= 2 else ""  # a narrow terminal does without
    return f"  {style.tick} {start}{shown or text}{took}"


def _line(style: Style, at_seconds: float, text: str) -> str:
    return f"{style.dim(elapsed(at_seconds))}  {text}"


def _told(style: Style, at_seconds: float, label: str, text: str) -> str:
    return _line(style, at_seconds, f"{_label(label)} {text}")


def _label(word: str) -> str:
    return f"{word:{LABEL_WIDTH}}"


def _workers(fact: facts.WorkersReady) -> str:
    workers = " and ".join(f"{name} ({number} at once)" for name, number in fact.concurrency.items())
    return f"{workers}: {', '.join(fact.queues)}"


def _load(fact: facts.LoadEnqueued) -> str:
    parts = ", ".join(count(number, NAME_OF_LOAD[what]) for what, number in fact.load.items())
    then = f"then {fact.rate:g} a second" if fact.rate else "no more after that"
    return f"{sum(fact.load.values()):,} enqueued: {parts}; {then}"


def _try_this(fact: facts.Ready) -> list[str]:
    down = f'The "warehouse" is down for the first {fact.warehouse_opens_in:.0f} seconds'
    return [
        "",
        f"  Try this:  1. Open the console. {down}: orders fail for good.",
        "             2. Open the fault, read the traceback.",
        "             3. When this window says that the warehouse is back, press Retry and watch them complete.",
        "  Ctrl-C stops everything.",
        "",
    ]


def _died(fact: facts.Died, style: Style) -> str:
    which = f"{fact.task} {short_id(fact.id)}" if not fact.more else f"{fact.more} more of {fact.task}"
    note = f"   ({fact.note})" if fact.note and not fact.more else ""
    return f"{style.bad(_label('dead'))} {which}  {fact.error}{note}"


def _warehouse(fact: facts.WarehouseOpened, style: Style) -> str:
    told = style.warn("warehouse is back.")
    return f"{told} {count(fact.dead, 'dead letter')} would now complete: {fact.url}" if fact.dead else told


def _retried(fact: facts.Retried) -> str:
    outcome = [
        f"{fact.completed:,} completed" if fact.completed or not (fact.failed or fact.other) else "",
        f"{fact.failed:,} failed again" if fact.failed else "",
        f"{fact.other:,} taken elsewhere" if fact.other else "",
    ]
    return f"{count(fact.letters, 'dead letter')} by {_who(fact.by)}: {', '.join(filter(None, outcome))}"


def _who(by: str) -> str:
    return "the console" if by in ("console", "") else by


def _stopped(fact: facts.WorkersStopped) -> str:
    if not fact.running:
        return "no task was running"
    return f"{count(fact.running, 'running task')}: {fact.finished} finished, {fact.handed_back} handed back"


def _removed(fact: facts.Removed, style: Style) -> list[str]:
    if not fact.left:
        return [f"  {style.tick} nothing left behind"]
    return [f"  {style.cross} left behind: {', '.join(fact.left)}"]


def _summary(fact: facts.Summary, style: Style) -> list[str]:
    always = {"completed", "waiting"}
    parts = " + ".join(f"{word} {number:,}" for word, number in fact.totals.parts if number or word in always)
    verdict = style.good("The books balance.") if fact.is_balanced else style.bad("The books do not balance:")
    retried = ""
    if fact.retried:
        retried = f"{count(fact.retried, 'dead letter')} retried, {fact.retried_completed:,} completed. "
    return [
        f"Ran {_whole_duration(fact.seconds)}. Enqueued {fact.totals.enqueued:,} = {parts}. {verdict}",
        *(f"  {line}" for line in fact.imbalance),
        f'{retried}Next: write your own task, README "Your first task".',
    ]


def _whole_duration(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 60 else duration(seconds)


def _rounded(values: Mapping[str, object]) -> dict[str, object]:
    return {name: round(value, 3) if isinstance(value, float) else value for name, value in values.items()}
