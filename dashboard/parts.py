"""What the views work with: built once by `create_app`, found again from any request."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from flask import current_app

from dashboard.live import Live
from dashboard.settings import ConsoleSettings

if TYPE_CHECKING:
    from queue_core.control import Control
    from queue_core.inspector import Inspector


@dataclass(frozen=True, slots=True)
class Parts:
    settings: ConsoleSettings
    inspector: Inspector
    control: Control
    live: Live


def parts() -> Parts:
    found = current_app.extensions["taskyard"]
    assert isinstance(found, Parts)
    return found
