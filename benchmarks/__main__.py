"""`python -m benchmarks [NAME …]`: runs the benchmarks and prints their figures. Nothing else should run meanwhile."""

from __future__ import annotations

import sys

from benchmarks import enqueue, memory, pages, scripts, throughput

BENCHMARKS = {
    "memory": memory.run,
    "enqueue": enqueue.run,
    "scripts": scripts.run,
    "throughput": throughput.run,
    "pages": pages.run,
}


def main(names: list[str]) -> int:
    unknown = [name for name in names if name not in BENCHMARKS]
    if unknown:
        print(f"no benchmark {unknown[0]!r}: there are {', '.join(BENCHMARKS)}", file=sys.stderr)
        return 2
    for name in names or BENCHMARKS:
        print(f"\n{name}")
        for line in BENCHMARKS[name]():
            print(f"  {line}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
