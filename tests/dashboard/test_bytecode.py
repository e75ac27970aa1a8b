"""Compiled templates beside their sources: taken where they are of these sources, made anew in every other case."""

from __future__ import annotations

import sys
from pathlib import Path
from types import CodeType
from typing import Any

import pytest
from jinja2 import Environment, FileSystemLoader

from dashboard.bytecode import BesideSources

MAKER = "maker.py"


class Compiled(Exception):
    """Raised where a template is compiled that should not be."""


class NeverCompiles(Environment):
    def compile(self, *args: Any, **kwargs: Any) -> CodeType:  # type: ignore[override]
        raise Compiled


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    (tmp_path / MAKER).write_text("")
    (tmp_path / "page.html").write_text("{{ 1 + 1 }} rows")
    return tmp_path


def render(folder: Path, kind: type[Environment] = Environment) -> str:
    cache = BesideSources([str(folder / MAKER)])
    return kind(loader=FileSystemLoader(folder), bytecode_cache=cache).get_template("page.html").render()


def stored(folder: Path) -> Path:
    (path,) = (folder / "__pycache__").iterdir()
    return path


def test_template_is_compiled_once_for_all_processes(folder: Path) -> None:
    with pytest.raises(Compiled):
        render(folder, NeverCompiles)
    assert render(folder) == "2 rows"
    assert render(folder, NeverCompiles) == "2 rows"


@pytest.mark.parametrize("changed", ["page.html", MAKER])
def test_it_is_compiled_again_when_it_or_what_makes_it_has_changed(folder: Path, changed: str) -> None:
    render(folder)
    (folder / changed).write_text("three rows")
    with pytest.raises(Compiled):
        render(folder, NeverCompiles)
    assert render(folder) == ("three rows" if changed == "page.html" else "2 rows")


@pytest.mark.parametrize("damage", [lambda whole: b"", lambda whole: whole[:-9], lambda whole: whole[:40] + b"?" * 60])
def test_what_was_damaged_is_compiled_again(folder: Path, damage: Any) -> None:
    render(folder)
    path = stored(folder)
    path.write_bytes(damage(path.read_bytes()))
    assert render(folder) == "2 rows"
    assert render(folder, NeverCompiles) == "2 rows"


def test_where_nothing_can_be_written_it_is_compiled(folder: Path) -> None:
    (folder / "__pycache__").write_text("no folder")
    assert render(folder) == "2 rows"


def test_where_python_writes_nothing_neither_do_we(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    assert render(folder) == "2 rows"
    assert not (folder / "__pycache__").exists()
