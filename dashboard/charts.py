"""Charts: numbers become shapes. Pure: no request, no colour, no word but figures.

Shapes are paths in a box whose height is drawn as it is and whose width is stretched; where they stand is told by no
`style`. Bars count, straight lines are times, every chart begins at zero, and what is not known is a gap.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

WIDTH, HEIGHT = 600, 120
"""Of a chart's box."""
SPARK_HEIGHT = 20
SPARK_MINUTES = 2
"""That are one bar of a row's chart: more would be narrower than can be seen."""
HEADROOM = 6
"""Above the largest value of a chart, so that its line is seen whole."""
BETWEEN_LABELS = 14
"""Least distance of two labels at the ends of lines."""


@dataclass(frozen=True, slots=True)
class Bars:
    """Paths of a chart of counts: `failed` stands on `done`; `running` is what is not over, an outline."""

    done: str
    failed: str
    running: str
    most: int


@dataclass(frozen=True, slots=True)
class Line:
    """`label`: its name and its last value; `y`: where that stands."""

    path: str
    name: str
    last: float | None
    y: float


@dataclass(frozen=True, slots=True)
class Lines:
    lines: tuple[Line, ...]
    most: float


Count = tuple[int, int] | None
"""Completed and failed in a minute or an hour; `None`: not known."""


def sparkline(counts: Sequence[Count]) -> Bars:
    """One unit wide each two minutes, without a space between, so that what is completed is one outline. What failed
    stands on it: strokes, one unit wide."""
    pairs = [_sum(counts[x : x + SPARK_MINUTES]) for x in range(0, len(counts), SPARK_MINUTES)]
    top = max(1, most := max((sum(count) for count in pairs if count), default=0))
    done, failed, before, run, end = "", "", SPARK_HEIGHT, 0, (0.0, 0)
    for x, count in enumerate(pairs):
        completed, failures = count or (0, 0)
        y_all, y = (round(_y(number, top, SPARK_HEIGHT, 0)) for number in (completed + failures, completed))
        if failures:  # a single one among many is seen
            y = min(SPARK_HEIGHT, max(y, y_all + 2))
            failed += f"{_move(end, (x + 0.5, y_all))}v{y - y_all}"
            end = (x + 0.5, y)
        if y != before:
            done += f"h{run}" if run else ""
            done += f"M{x} {SPARK_HEIGHT}" if before == SPARK_HEIGHT else ""
            done += f"V{y}" + ("z" if y == SPARK_HEIGHT else "")
            before, run = y, 0
        run += y != SPARK_HEIGHT
    return Bars(f"{done}h{run}V{SPARK_HEIGHT}z" if run else done, failed, "", most)


def bars(counts: Sequence[Count]) -> Bars:
    """With a fifth of a bar's width between two; the last is not over."""
    step = WIDTH / max(1, len(counts))
    return _bars(counts, step, 0.8 * step, HEIGHT, HEADROOM)


def lines(series: Sequence[tuple[str, Sequence[float | None]]], label_height: float = BETWEEN_LABELS) -> Lines:
    """Straight from point to point. One between two gaps is a dash, which is seen where a point is not."""
    top = ceiling(max((value for _, values in series for value in values if value is not None), default=0))
    drawn = []
    for name, values in series:
        step = WIDTH / max(1, len(values))
        last = next((value for value in reversed(values) if value is not None), None)
        y = _y(last or 0, top, HEIGHT, HEADROOM)
        drawn.append(Line(_line(values, step, top), name, last, y))
    return Lines(_apart(drawn, label_height), top)


def ceiling(value: float) -> float:
    """The least of 1, 2, 5, 10, 20, 50 … that is not below the value: the top of an axis."""
    if value <= 0:
        return 1
    power = 10.0 ** math.floor(math.log10(value))
    found = next(power * step for step in (1, 2, 5, 10) if power * step >= value)
    return int(found) if found >= 1 else found


def tick_places(count: int, parts: int = 4) -> tuple[int, ...]:
    """Which of `count` bars begin one of `parts` equal parts."""
    return tuple(count * part // parts for part in range(parts))


def _bars(counts: Sequence[Count], step: float, width: float, height: int, headroom: int) -> Bars:
    most = max((sum(count) for count in counts if count), default=0)
    top = ceiling(most) if headroom else max(1, most)
    done, failed, running = [], [], ""
    for i, count in enumerate(counts):
        if count is None or not sum(count):
            continue
        x, y_all, y_done = i * step, _y(sum(count), top, height, headroom), _y(count[0], top, height, headroom)
        if count[1]:  # a single failure among thousands is seen
            y_done = min(height, max(y_done, y_all + 1))
        if i == len(counts) - 1 and headroom:
            running = _box(x, y_all, width, height - y_all)
            if count[1]:
                failed.append(_box(x, y_all, width, y_done - y_all))
            continue
        if count[0]:
            done.append(_box(x, y_done, width, height - y_done))
        if count[1]:
            failed.append(_box(x, y_all, width, y_done - y_all))
    return Bars("".join(done), "".join(failed), running, int(top) if headroom else most)


def _y(value: float, top: float, height: int, headroom: int) -> float:
    """At least 1 above the ground where there is anything."""
    drawn = (height - headroom) * value / top
    return round(height - (max(drawn, 1.0) if value else 0.0), 1)


def _box(x: float, y: float, width: float, height: float) -> str:
    return f"M{_n(x)} {_n(y)}h{_n(width)}v{_n(height)}h-{_n(width)}z"


def _line(values: Sequence[float | None], step: float, top: float) -> str:
    parts: list[str] = []
    is_drawing = False
    for i, value in enumerate(values):
        if value is None:
            is_drawing = False
            continue
        x, y = (i + 0.5) * step, _y(value, top, HEIGHT, HEADROOM)
        is_alone = not is_drawing and (i + 1 == len(values) or values[i + 1] is None)
        if is_alone:
            parts.append(f"M{_n(x - step / 3)} {_n(y)}h{_n(2 * step / 3)}")
        else:
            parts.append(f"{'L' if is_drawing else 'M'}{_n(x)} {_n(y)}")
        is_drawing = True
    return "".join(parts)


def _apart(drawn: Sequence[Line], distance: float) -> tuple[Line, ...]:
    """Labels in the order of their lines, none upon another, none outside."""
    lowest: Callable[[Line], float] = lambda line: -line.y  # noqa: E731
    placed: dict[str, float] = {}
    limit = HEIGHT - 4.0
    for line in sorted(drawn, key=lowest):
        placed[line.name] = min(line.y + 4, limit)
        limit = placed[line.name] - distance
    lift = max(0.0, 10.0 - min(placed.values(), default=10.0))
    return tuple(Line(line.path, line.name, line.last, round(placed[line.name] + lift, 1)) for line in drawn)


def _sum(counts: Iterable[Count]) -> Count:
    known = [count for count in counts if count]
    return (sum(done for done, _ in known), sum(failed for _, failed in known)) if known else None


def _move(start: tuple[float, float], end: tuple[float, float]) -> str:
    """Where one stands to where one draws next, relative."""
    x, y = end[0] - start[0], end[1] - start[1]
    return f"m{_n(x)}{'' if y < 0 else ' '}{_n(y)}"


def _n(value: float) -> str:
    """As short as it can be written."""
    return f"{value:.1f}".rstrip("0").rstrip(".")
