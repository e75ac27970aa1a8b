"""`python -m benchmarks [NAME …]`: runs the benchmarks and prints their figures; exit code 1 where a budget is missed.
Nothing else should run meanwhile."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator

from benchmarks import enqueue, flatness, memory, pages, scripts, throughput
from benchmarks.figures import Figure

BENCHMARKS: dict[str, Callable[[], Iterator[Figure | str]]] = {
    "memory": memory.run,
    "enqueue": enqueue.run,
    "scripts": scripts.run,
    "flatness": flatness.run,
    "throughput": throughput.run,
    "pages": pages.run,
}


def main(names: list[str]) -> int:
    unknown = [name for name in names if name not in BENCHMARKS]
    if unknown:
        print(f"no benchmark {unknown[0]!r}: there are {', '.join(BENCHMARKS)}", file=sys.stderr)
        return 2
    missed = 0
    for name in names or BENCHMARKS:
        print(f"\n{name}")
        for line in BENCHMARKS[name]():
            print(f"  {line}", flush=True)
            missed += isinstance(line, Figure) and not line.is_kept
    if missed:
        print(f"\n{missed} budget{'s' if missed > 1 else ''} missed", file=sys.stderr)
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
