"""A line for each attempt, for people and for programs."""

from __future__ import annotations

import json
import logging
from datetime import UTC, datetime

from queue_core.chain import Outcome
from queue_core.context import Context
from queue_core.formats import duration

LOGGER = "taskyard.attempts"
_OF_EVERY_RECORD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


class StructuredLogging:
    """Says how each attempt ended: INFO where the handler returned, WARNING where it raised; at DEBUG, that it began.

    The records have the attributes `event` (`began`, `completed`, `failed`), `task_id`, `task_name`, `queue` and
    `attempt`, at the end also `seconds`, `error_class` and `error`; `JsonFormatter` writes them all. Arguments are not
    told.
    """

    def __init__(self, logger: logging.Logger | str = LOGGER) -> None:
        self._log = logging.getLogger(logger) if isinstance(logger, str) else logger

    def before(self, context: Context) -> None:
        if self._log.isEnabledFor(logging.DEBUG):
            self._tell(logging.DEBUG, context, "began", "has begun")

    def after(self, context: Context, outcome: Outcome) -> None:
        facts: dict[str, object] = {"seconds": round(outcome.seconds, 6)}
        took = duration(outcome.seconds)
        if outcome.error is None:
            self._tell(logging.INFO, context, "completed", f"completed in {took}", facts)
            return
        error_class = type(outcome.error).__name__
        facts |= {"error_class": error_class, "error": str(outcome.error)}
        told = f"failed after {took}: {error_class}: {facts['error']}"
        self._tell(logging.WARNING, context, "failed", told, facts)

    def _tell(
        self, level: int, context: Context, event: str, told: str, facts: dict[str, object] | None = None
    ) -> None:
        extra = {
            "event": event,
            "task_id": context.task_id,
            "task_name": context.task_name,
            "queue": context.queue,
            "attempt": context.attempt,
            **(facts or {}),
        }
        where = f"{context.task_name} {context.task_id} in {context.queue}, attempt {context.attempt}"
        self._log.log(level, "%s %s", where, told, extra=extra)


class JsonFormatter(logging.Formatter):
    """A record as one line of JSON: `time` (UTC), `level`, `logger`, `message`, `traceback`, and its own attributes."""

    def format(self, record: logging.LogRecord) -> str:
        moment = datetime.fromtimestamp(record.created, UTC)
        line: dict[str, object] = {
            "time": moment.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
        }
        line |= {name: value for name, value in vars(record).items() if name not in _OF_EVERY_RECORD}
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str, ensure_ascii=False)
