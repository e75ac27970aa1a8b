"""Each test that stands for a rule of the console (docs/console-rules.md) is there."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

TESTS = Path(__file__).parent
RULES = (TESTS.parent / "docs" / "console-rules.md").read_text(encoding="utf-8")
ROWS = [line for line in RULES.splitlines() if line.startswith("| ") and not re.match(r"\| (rule|page) \|", line)]


@cache
def functions_of(file: str) -> set[str]:
    path = TESTS / file
    if not path.is_file():
        return set()
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}


def test_every_rule_has_a_test_that_is_there() -> None:
    assert len(ROWS) > 80
    named = {row: re.findall(r"`([\w/]+\.py)::(test_\w+)`", row) for row in ROWS}
    assert [row for row, tests in named.items() if not tests] == []
    missing = [f"{file}::{name}" for tests in named.values() for file, name in tests if name not in functions_of(file)]
    assert missing == []
