"""An environment of its own for each peer, outside the project: a venv, or a directory of Node modules.

They stay under the user's cache directory (`TASKYARD_BENCH_CACHE` names another), so that the next run starts at once;
`--renew` makes them again, with the versions of that day.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

INSTALL_SECONDS = 300


class NotInstalled(Exception):
    """A peer cannot be installed here; the message says why."""


def cache_directory() -> Path:
    named = os.environ.get("TASKYARD_BENCH_CACHE")
    base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return Path(named) if named else base / "taskyard-benchmarks"


def remove() -> None:
    """Every environment is made again when it is next asked for."""
    shutil.rmtree(cache_directory(), ignore_errors=True)


def python_environment(name: str, requirements: Sequence[str], least: tuple[int, int]) -> Path:
    """The interpreter of a venv that has `requirements`. Raises `NotInstalled`."""
    place = cache_directory() / name
    python = place / "bin" / "python"
    if _is_ready(place, requirements):
        return python
    base = _find_python(least)
    shutil.rmtree(place, ignore_errors=True)
    place.parent.mkdir(parents=True, exist_ok=True)
    _call(base, "-m", "venv", str(place))
    _call(str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *requirements)
    _note_ready(place, requirements)
    return python


def node_environment(name: str, packages: Sequence[str]) -> Path:
    """The directory that has `packages` in its `node_modules`. Raises `NotInstalled`."""
    place = cache_directory() / name
    if _is_ready(place, packages):
        return place
    if not (shutil.which("node") and shutil.which("npm")):
        raise NotInstalled("node and npm are not installed")
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir(parents=True)
    (place / "package.json").write_text('{"private": true, "type": "module"}')
    _call("npm", "install", "--no-audit", "--no-fund", "--loglevel=error", "--prefix", str(place), *packages)
    _note_ready(place, packages)
    return place


def python_versions(python: Path, requirements: Sequence[str]) -> str:
    """Such as `huey 3.5.4, redis 8.1.0`: of the packages that were asked for, and of the client."""
    names = [requirement.partition("[")[0].partition("<")[0] for requirement in requirements]
    script = (
        "import sys, importlib.metadata as m\n"
        "there = {d.metadata['Name'].lower(): d.version for d in m.distributions()}\n"
        "print(', '.join(f'{n} {there[n]}' for n in dict.fromkeys(sys.argv[1:]) if n in there))"
    )
    return subprocess.run(
        [str(python), "-c", script, *names, "redis", "uvloop"], capture_output=True, text=True, check=True
    ).stdout.strip()


def node_versions(place: Path, packages: Sequence[str]) -> str:
    found = [(name, place / "node_modules" / name / "package.json") for name in packages]
    told = [f"{name} {json.loads(path.read_text())['version']}" for name, path in found]
    node = subprocess.run(["node", "--version"], capture_output=True, text=True, check=True).stdout.strip()
    return ", ".join([*told, f"node {node.removeprefix('v')}"])


def _find_python(least: tuple[int, int]) -> str:
    """The oldest interpreter that is new enough, beginning with the one that runs this."""
    if sys.version_info[:2] >= least:
        return sys.executable
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv")
    named = [shutil.which(f"python3.{minor}") for minor in range(least[1], least[1] + 4)]
    for candidate in [*named, *sorted(map(str, pyenv.glob("versions/3.*/bin/python3")))]:
        check = f"import sys; sys.exit(sys.version_info < {least!r})"
        if candidate and subprocess.run([candidate, "-c", check], capture_output=True, check=False).returncode == 0:
            return candidate
    raise NotInstalled(f"needs Python {least[0]}.{least[1]} or newer, and none is found on PATH or under {pyenv}")


def _is_ready(place: Path, wanted: Sequence[str]) -> bool:
    note = place / "taskyard-ready"
    return note.is_file() and note.read_text() == " ".join(wanted)


def _note_ready(place: Path, wanted: Sequence[str]) -> None:
    (place / "taskyard-ready").write_text(" ".join(wanted))


def _call(*command: str) -> None:
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=INSTALL_SECONDS, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise NotInstalled(str(error)) from error
    if done.returncode:
        last = (done.stderr or done.stdout).strip().splitlines()[-1:] or [""]
        raise NotInstalled(f"{Path(command[0]).name} ended with {done.returncode}: {last[0][:300]}")
