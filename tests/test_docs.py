"""The documents tell everything that there is: a new setting, command, state or script must be told, too."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from queue_core import scripts
from queue_core.cli import COMMANDS
from queue_core.snapshot import State

ROOT = Path(__file__).parent.parent
ARCHITECTURE = (ROOT / "docs/architecture.md").read_text()
GLOSSARY = (ROOT / "docs/glossary.md").read_text()
OPERATIONS = (ROOT / "docs/operations.md").read_text()
DOCUMENTS = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").glob("*.md"))]


def test_every_setting_of_the_environment_is_told() -> None:
    modules = [path for package in ("queue_core", "dashboard") for path in (ROOT / package).rglob("*.py")]
    code = "".join(module.read_text() for module in modules)
    names = set(re.findall(r"TASKYARD_[A-Z_]+[A-Z]", code)) - {
        "TASKYARD_DEMO_SOCKET",  # the demo's own
        "TASKYARD_DEMO_WAREHOUSE_SIGN",
    }
    assert {name for name in names if f"`{name}`" not in OPERATIONS} == set()


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_is_told(command: str) -> None:
    assert any(re.search(rf"taskyard [a-z |]*\b{command}\b|make {command}\b", path.read_text()) for path in DOCUMENTS)


@pytest.mark.parametrize("state", list(State))
def test_every_state_is_told(state: State) -> None:
    assert f"`{state.value}`" in GLOSSARY


@pytest.mark.parametrize("script", scripts.names())
def test_every_script_is_told(script: str) -> None:
    assert re.search(rf"`{script}`|\*\*{script}\*\*", ARCHITECTURE)


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_links_within_the_project_lead_somewhere(document: Path) -> None:
    for target in re.findall(r"\]\((?!https?:)([^)#]+)", document.read_text()):
        assert (document.parent / target).exists(), target
