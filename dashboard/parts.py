"""What the views work with: built once by `create_app`, found again from any request."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from flask import current_app

if TYPE_CHECKING:
    from dashboard.access import Access
    from dashboard.live import Live
    from dashboard.redaction import Redactor
    from dashboard.refusals import Refusals
    from dashboard.settings import ConsoleSettings
    from dashboard.speeds import Speeds
    from dashboard.tending import Tender
    from queue_core.control import Control
    from queue_core.inspector import Inspector
    from queue_core.operations import Operations
    from queue_core.schedules import Schedules


@dataclass(frozen=True, slots=True)
class Parts:
    """`inspector` and `operations` tell nothing that is to be hidden (`redacting`)."""

    settings: ConsoleSettings
    inspector: Inspector
    control: Control
    operations: Operations
    schedules: Schedules
    redactor: Redactor
    live: Live
    tender: Tender
    speeds: Speeds
    access: Access
    refusals: Refusals


def parts() -> Parts:
    found = current_app.extensions["taskyard"]
    assert isinstance(found, Parts)
    return found
