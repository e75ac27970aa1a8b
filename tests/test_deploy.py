"""What is there to be copied for a deployment: it names only what exists, and opens nothing by itself."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import click
import pytest

from queue_core.cli import main

ROOT = Path(__file__).parent.parent
UNITS = sorted((ROOT / "deploy").glob("*.service"))
FILES = [*UNITS, ROOT / "deploy/nginx.conf", ROOT / "compose.yaml", ROOT / "Dockerfile"]
OPERATIONS = (ROOT / "docs/operations.md").read_text()
COMPOSE = (ROOT / "compose.yaml").read_text()


def command_lines() -> list[list[str]]:
    """The arguments behind `taskyard` in units, in compose.yaml and in the image."""
    found = [
        line.split() for unit in UNITS for line in re.findall(r"^ExecStart=\S+/taskyard (.*)$", unit.read_text(), re.M)
    ]
    found += [json.loads(line) for line in re.findall(r"^    command: (\[.*\])$", COMPOSE, re.M)]
    found += [json.loads(line) for line in re.findall(r"^CMD (\[.*\])$", (ROOT / "Dockerfile").read_text(), re.M)]
    return found


def test_there_are_command_lines_to_check() -> None:
    assert sorted(arguments[0] for arguments in command_lines()) == ["console"] * 3 + ["worker"] * 2


@pytest.mark.parametrize("arguments", command_lines(), ids=" ".join)
def test_command_line_is_one_that_the_command_takes(arguments: list[str]) -> None:
    context = click.Context(main)
    command = main.get_command(context, arguments[0])
    assert command is not None
    command.make_context("taskyard", arguments[1:], resilient_parsing=False).close()


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_settings_are_those_that_there_are(file: Path) -> None:
    assert {
        name for name in re.findall(r"TASKYARD_[A-Z_]+[A-Z]", file.read_text()) if f"`{name}`" not in OPERATIONS
    } == set()


def test_compose_publishes_on_loopback_alone_as_it_has_no_sign_in() -> None:
    published = re.findall(r"^    ports:\n((?:      - .*\n)+)", COMPOSE, re.M)
    assert published == ['      - "127.0.0.1:8080:8080"\n']


def test_server_of_compose_keeps_what_it_has() -> None:
    (command,) = re.findall(r"command: valkey-server (.*)", COMPOSE)
    assert command == "--appendonly yes --maxmemory-policy noeviction"


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="there is no systemd-analyze here")
def test_units_are_such_as_systemd_takes(tmp_path: Path) -> None:
    """Also an older one: what it does not know it ignores, with a word."""
    for unit in UNITS:
        text = re.sub(r"^ExecStart=\S+", f"ExecStart={sys.executable}", unit.read_text(), flags=re.M)
        (tmp_path / unit.name).write_text(text)
    command = ["systemd-analyze", "verify", *(str(tmp_path / unit.name) for unit in UNITS)]
    checked = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert [line for line in checked.stderr.splitlines() if any(unit.name in line for unit in UNITS)] == []


def test_containers_of_compose_write_nothing_but_their_volumes() -> None:
    shared = COMPOSE.partition("x-taskyard:")[2].partition("\nservices:")[0]
    assert {"read_only: true", "tmpfs: [/tmp]", "cap_drop: [ALL]"} <= {line.strip() for line in shared.splitlines()}


@pytest.mark.skipif(shutil.which("promtool") is None, reason="there is no promtool here")
@pytest.mark.parametrize(
    "command", ["check rules docs/prometheus-alerts.yml", "test rules tests/prometheus-alerts.yml"]
)
def test_alerts_fire_on_what_they_are_for(command: str) -> None:
    checked = subprocess.run(["promtool", *command.split()], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert checked.returncode == 0, checked.stdout + checked.stderr
