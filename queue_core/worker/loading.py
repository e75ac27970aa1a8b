"""Finds the yard that a command line names."""

from __future__ import annotations

import importlib
import sys
import traceback
from pathlib import Path

import queue_core
from queue_core.errors import ConfigurationError
from queue_core.yard import Taskyard


def load_yard(reference: str) -> Taskyard:
    """The `Taskyard` called `yard` in `module:yard`. The working directory is where modules are looked for first.

    Raises `ConfigurationError`: the reference has another form, the module does not import, or it has no such yard.
    """
    module_name, colon, attribute = reference.partition(":")
    is_module = all(part.isidentifier() for part in module_name.split("."))
    if not is_module or not colon or not attribute.isidentifier():
        raise ConfigurationError(f"{reference!r} names no yard: say module:yard, for example shop.tasks:yard")
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.insert(0, here)
    try:
        module = importlib.import_module(module_name)
    except (Exception, SystemExit) as error:
        told = " ".join(f"{type(error).__name__}: {error}".split())
        raise ConfigurationError(f"module {module_name!r} cannot be imported: {told}{_where(error)}") from error
    yard = getattr(module, attribute, None)
    if not isinstance(yard, Taskyard):
        names = [name for name, value in vars(module).items() if isinstance(value, Taskyard)]
        hint = f"; it has {module_name}:{names[0]}" if names else ""
        raise ConfigurationError(f"{reference!r} is not a Taskyard{hint}")
    return yard


def _where(error: BaseException) -> str:
    """The innermost line that is neither Python's import machinery nor ours."""
    ours = str(Path(queue_core.__file__).parent)
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        if "importlib" not in frame.filename and not frame.filename.startswith(ours):
            return f" ({frame.filename}:{frame.lineno})"
    return ""
