"""What the architecture says of names: only `keys` spells one, and a transition is called the same everywhere."""

from __future__ import annotations

import ast
import keyword
import re
from pathlib import Path

import pytest

from queue_core import protocol, scripts
from queue_core.keys import QueueKeys

ROOT = Path(__file__).parent.parent
MODULES = sorted(path for package in ("queue_core", "dashboard") for path in (ROOT / package).rglob("*.py"))
KEYS = {name for name in vars(QueueKeys) if not name.startswith("_")}
KEYS |= {"queues", "workers", "worker", "audit", "schedules", "ended_sign_ins", "tries"}
FSCK = {"examine", "repair", "reclaim", "relist", "recount", "balance"}
NO_TASKS = {"audit", "register", "note_worker", "describe_worker", "command_worker", "set_schedule", "end_sign_in"}
"""They change no task."""
TRANSITIONS = [
    name for name in scripts.names() if "no-writes" not in scripts.load(name).text[:40] and name not in NO_TASKS | FSCK
]


def function_of(verb: str) -> str:
    """`import` is a word of Python's own."""
    return f"{verb}_" if keyword.iskeyword(verb) else verb


def texts_of(tree: ast.AST) -> list[str]:
    """The text constants of a module, without its documentation."""
    documentation = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
        and node.body
        and isinstance(node.body[0], ast.Expr)
    }
    documentation |= {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    return [
        node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in documentation
    ]


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_module_but_keys_spells_a_key(path: Path) -> None:
    if path.name == "keys.py":
        return
    tree = ast.parse(path.read_text())
    joined = [node for node in ast.walk(tree) if isinstance(node, ast.JoinedStr)]
    for node in joined:
        parts = [part.value if isinstance(part, ast.Constant) else "\0" for part in node.values]
        whole = "".join(map(str, parts))
        assert not re.search(r"\{\0\}:|\0:(" + "|".join(KEYS) + r")\b", whole), whole
    assert not [text for text in texts_of(tree) if re.search(r"\bqc:|\}:(" + "|".join(KEYS) + r")\b", text)]


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_module_says_what_it_is(path: Path) -> None:
    tree = ast.parse(path.read_text())
    if tree.body:
        assert ast.get_docstring(tree), f"{path} has no docstring"


@pytest.mark.parametrize("verb", TRANSITIONS)
def test_transition_has_a_script_and_a_function_of_its_name(verb: str) -> None:
    assert verb in scripts.names()
    assert callable(getattr(protocol, function_of(verb)))


def test_scripts_are_loaded_under_the_name_of_the_function() -> None:
    trees = [ast.parse(path.read_text()) for path in (ROOT / "queue_core" / "protocol").glob("*.py")]
    loaded: dict[str, list[str]] = {}
    for function in (node for tree in trees for node in tree.body if isinstance(node, ast.FunctionDef)):
        found = re.findall(r"scripts\.load\('(\w+)'\)", ast.unparse(function))
        loaded |= {function.name: found} if found else {}
    assert loaded == {function_of(verb): [verb] for verb in (*TRANSITIONS, *FSCK, *NO_TASKS)}


@pytest.mark.parametrize("verb", TRANSITIONS)
def test_transition_has_a_test_file(verb: str) -> None:
    assert (ROOT / "tests" / "scripts" / f"test_{verb}.py").is_file()


def test_no_source_is_a_list_of_everything() -> None:
    assert not [path for path in MODULES if path.stem in ("utils", "helpers", "common", "misc")]
