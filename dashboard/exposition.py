"""The two text formats that Prometheus reads. Pure.

Both have the same lines of samples; they differ in how a family is headed. What a label or a value may hold is escaped
here, and nowhere else.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

TEXT = "text/plain; version=0.0.4; charset=utf-8"
OPEN_METRICS = "application/openmetrics-text; version=1.0.0; charset=utf-8"

_ENDINGS = {"counter": "_total", "info": "_info"}
"""Of a sample's name, after its family's."""
_ESCAPED = str.maketrans({"\\": r"\\", "\n": r"\n", '"': r"\""})


@dataclass(frozen=True, slots=True)
class Family:
    """`kind`: gauge, counter, histogram or info. `lines`: whole ones; those of one histogram stand together."""

    name: str
    kind: str
    what: str
    lines: Sequence[str]


def labels(**values: str) -> str:
    """`{queue="email",state="dead"}`."""
    return "{" + ",".join(f'{name}="{value.translate(_ESCAPED)}"' for name, value in values.items()) + "}"


def number(value: float) -> str:
    if isinstance(value, int):
        return str(int(value))
    return repr(value) if math.isfinite(value) else {math.inf: "+Inf", -math.inf: "-Inf"}.get(value, "NaN")


def family(name: str, kind: str, what: str, samples: Iterable[tuple[str, float]]) -> Family:
    """`samples`: labels, or "" without any, and the value."""
    whole = f"{name}{_ENDINGS.get(kind, '')}"
    return Family(name, kind, what, [f"{whole}{labelled} {number(value)}\n" for labelled, value in samples])


def gauge(name: str, what: str, value: float) -> Family:
    return family(name, "gauge", what, [("", value)])


def info(name: str, what: str, **values: str) -> Family:
    return family(name, "info", what, [(labels(**values), 1)])


def is_open_metrics(accept: str) -> bool:
    """Whether that is what a request asks for."""
    return "application/openmetrics-text" in accept.lower()


def encode(families: Iterable[Family], *, as_open_metrics: bool) -> bytes:
    parts: list[str] = []
    for one in families:
        name, kind = one.name, one.kind
        if (
            not as_open_metrics
        ):  # the older format knows a family by its samples' name, and no kind of its own for facts
            name, kind = f"{name}{_ENDINGS.get(kind, '')}", "gauge" if kind == "info" else kind
        parts += (f"# HELP {name} {one.what}\n# TYPE {name} {kind}\n", *one.lines)
    return "".join([*parts, "# EOF\n"] if as_open_metrics else parts).encode()
