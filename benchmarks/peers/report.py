"""The table of what was measured, and our figures beside the best of the peers'."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from statistics import median

from benchmarks.figures import Figure
from benchmarks.peers.catalogue import OURS, Installed
from benchmarks.peers.measures import Round

Rounds = Mapping[tuple[str, str], Sequence[Round]]
"""(engine, measure) → its rounds."""
NOOP_LEAST, NOOP_RATIO, PAIR_RATIO, SLEEP_RATIO = 25_000, 3.2, 1.3, 1.6
SERVER_US, WORKER_US = 20, 40
OUR_NAMES = [engine.name for engine in OURS]


def table(engines: Sequence[Installed], rounds: Rounds) -> Iterator[str]:
    """Markdown."""
    yield "| engine | no-op /s | two workers | 10 ms, 100 slots | latency p50 / p95 ms | Redis + worker µs | versions |"
    yield "|---|---:|---:|---:|---:|---:|---|"
    for installed in engines:
        name = installed.engine.name
        rates = [_rate(rounds, name, measure) for measure in ("noop", "pair", "sleep")]
        cells = [f"{rate:,.0f}" if rate else "–" for rate in rates]
        p50, p95 = _of(rounds, name, "latency", "p50_ms"), _of(rounds, name, "latency", "p95_ms")
        server, worker = _of(rounds, name, "noop", "server_us"), _of(rounds, name, "noop", "worker_us")
        cells.append(f"{p50:.2f} / {p95:.2f}" if p50 else "–")
        cells.append(f"{server:.0f} + {worker:.0f}" if worker else "–")
        yield f"| {name} | {' | '.join(cells)} | {installed.versions} |"


def figures(rounds: Rounds) -> Iterator[Figure]:
    """Judged: ours against what it promises, and against the best of the peers in the same minutes."""
    for ours in OUR_NAMES:
        if rate := _rate(rounds, ours, "noop"):
            best, whose = _best(rounds, "noop")
            least = min(NOOP_LEAST, NOOP_RATIO * best) if best else NOOP_LEAST
            spread = ", ".join(f"{each.tasks_per_second:,.0f}" for each in rounds[ours, "noop"])
            yield Figure(f"{ours}: no-op, one process", rate, "tasks/s", least, True, spread)
            if best:
                yield Figure(f"{ours}: the same / the fastest peer's", rate / best, "×", note=f"{whose}: {best:,.0f}")
            yield Figure(f"{ours}: Redis", _of(rounds, ours, "noop", "server_us"), "µs a task", SERVER_US)
            yield Figure(f"{ours}: worker", _of(rounds, ours, "noop", "worker_us"), "µs a task", WORKER_US)
            if two := _rate(rounds, ours, "pair"):
                yield Figure(f"{ours}: two workers / one", two / rate, "×", PAIR_RATIO, True, f"{two:,.0f} tasks/s")
        if rate := _rate(rounds, ours, "sleep"):
            best, whose = _best(rounds, "sleep")
            yield Figure(f"{ours}: 10 ms, 100 slots", rate, "tasks/s", note="at most 10,000")
            if best:
                note = f"{whose}: {best:,.0f}"
                yield Figure(f"{ours}: the same / the best peer's", rate / best, "×", SLEEP_RATIO, True, note)
        for what in ("p50_ms", "p95_ms"):
            if value := _of(rounds, ours, "latency", what):
                peers = {n: _of(rounds, n, "latency", what) for n, m in rounds if m == "latency" and n not in OUR_NAMES}
                whose = min(peers, key=peers.__getitem__, default="")
                name = f"{ours}: latency, {what.removesuffix('_ms')}"
                yield Figure(name, value, "ms", peers.get(whose), note=f"the best peer: {whose}" if whose else "")


def _best(rounds: Rounds, measure: str) -> tuple[float, str]:
    peers = [name for name, measured in rounds if measured == measure and name not in OUR_NAMES]
    return max(((_rate(rounds, name, measure), name) for name in peers), default=(0.0, ""))


def _rate(rounds: Rounds, name: str, measure: str) -> float:
    return _of(rounds, name, measure, "tasks_per_second")


def _of(rounds: Rounds, name: str, measure: str, what: str) -> float:
    """The median; 0 where it was not measured."""
    values: list[float] = [getattr(each, what) for each in rounds.get((name, measure), ())]
    return median(values or [0.0])
