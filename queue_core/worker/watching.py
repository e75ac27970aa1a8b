"""Watches the files of an application while it is being developed."""

from __future__ import annotations

import sys
import sysconfig
from collections.abc import Callable, Iterable
from pathlib import Path

import queue_core

LOOK_SECONDS = 0.5


class Watch:
    """Of the Python files in some folders, also of such that come later. `on_change` gets the first one that is another
    than it was at the last look."""

    def __init__(self, on_change: Callable[[str], None]) -> None:
        self._on_change = on_change
        self._folders: set[str] = set()
        self._seen: dict[Path, tuple[int, int]] = {}

    def add(self, folders: Iterable[str]) -> None:
        for folder in set(folders) - self._folders:
            self._folders.add(folder)
            self._seen |= _look(folder)

    async def tick(self) -> None:
        found = {path: state for folder in self._folders for path, state in _look(folder).items()}
        changed = sorted(path for path, _ in found.items() ^ self._seen.items())
        self._seen = found
        if changed:
            self._on_change(str(changed[0]))


def folders(error: BaseException | None = None) -> tuple[str, ...]:
    """Where the modules lie that are loaded and belong neither to Python, nor to what is installed, nor to Taskyard;
    and those that took part in an error."""
    files = {getattr(module, "__file__", None) for module in list(sys.modules.values())}
    while error is not None:
        trace = error.__traceback__
        while trace:
            files.add(trace.tb_frame.f_code.co_filename)
            trace = trace.tb_next
        files.add(getattr(error, "filename", None))  # of a SyntaxError
        error = error.__cause__
    installed = [path for name, path in sysconfig.get_paths().items() if "lib" in name]
    foreign = tuple(f"{path}/" for path in (*installed, *queue_core.__path__))
    own = (file for file in files if isinstance(file, str) and file.endswith(".py") and not file.startswith(foreign))
    return tuple(sorted({str(Path(file).absolute().parent) for file in own}))


def _look(folder: str) -> dict[Path, tuple[int, int]]:
    seen = {}
    for path in Path(folder).glob("*.py"):
        try:
            state = path.stat()
        except OSError:
            continue
        seen[path] = (state.st_mtime_ns, state.st_size)
    return seen
