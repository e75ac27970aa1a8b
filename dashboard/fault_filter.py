"""Which dead letters are meant: a set of faults × a time range. Queue, task, class and text select faults."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, tzinfo

from dashboard.filters import iso
from dashboard.parameters import BadParameter, short
from queue_core.errors import InvalidArgument
from queue_core.snapshot import Fault

MOST_CLASS = 200
"""Characters that are kept of the name of a class."""


@dataclass(frozen=True, slots=True)
class FaultFilter:
    """`since` and `until`: when the letters died, ms, both included; the faults of a filter need not have any then."""

    queue: str = ""
    task: str = ""
    error_class: str = ""
    text: str = ""
    since: int | None = None
    until: int | None = None

    @classmethod
    def read(cls, arguments: Mapping[str, str], zone: tzinfo = UTC) -> FaultFilter:
        """As it stands in the address. A time without a zone is of the reader's. Raises `BadParameter`."""
        return cls(
            queue=arguments.get("queue", ""),
            task=short("task", arguments.get("task", "")),
            error_class=short("class", arguments.get("class", ""), MOST_CLASS),
            text=short("q", arguments.get("q", "")),
            since=_time("since", arguments, zone),
            until=_time("until", arguments, zone, is_end=True),
        )

    @property
    def chooses(self) -> bool:
        """Whether it leaves faults of its queue out."""
        return bool(self.task or self.error_class or self.text)

    @property
    def is_timed(self) -> bool:
        return self.since is not None or self.until is not None

    @property
    def is_set(self) -> bool:
        return bool(self.queue) or self.chooses or self.is_timed

    def of(self, faults: Iterable[Fault]) -> tuple[Fault, ...]:
        text = self.text.lower()
        return tuple(fault for fault in faults if self._is_of_it(fault) and (not text or _holds(fault, text)))

    def _is_of_it(self, fault: Fault) -> bool:
        return (
            self.queue in ("", fault.queue)
            and self.task in ("", fault.task_name)
            and self.error_class in ("", fault.error_class)
        )

    def within(self, queue: str) -> FaultFilter:
        return replace(self, queue=queue)

    def query(self, *, with_queue: bool = True) -> dict[str, str]:
        """What it is in an address, for everybody the same: times in UTC."""
        fields = {
            "queue": self.queue if with_queue else "",
            "task": self.task,
            "class": self.error_class,
            "q": self.text,
            "since": iso(self.since),
            "until": iso(self.until),
        }
        return {name: value for name, value in fields.items() if value}


def _time(name: str, arguments: Mapping[str, str], zone: tzinfo, *, is_end: bool = False) -> int | None:
    try:
        return read_time(name, arguments.get(name, ""), zone, is_end=is_end)
    except InvalidArgument as error:
        raise BadParameter(name, str(error)) from None


def _holds(fault: Fault, text: str) -> bool:
    """There may be thousands of faults, and each look goes through all of them."""
    return (
        text in fault.title.lower()
        or text in fault.task_name.lower()
        or text in fault.queue.lower()
        or text in fault.frame.lower()
    )


def is_local(text: str) -> bool:
    """Whether it is a time without a zone."""
    try:
        return datetime.fromisoformat(text.strip()[:40]).tzinfo is None
    except ValueError:
        return False


def read_time(what: str, text: str, zone: tzinfo, *, is_end: bool = False) -> int | None:
    """`2026-11-22T03:02`, with or without seconds and zone, as milliseconds; an end is the end of its second.

    `None` of an empty text. Raises `InvalidArgument`.
    """
    if not text:
        return None
    try:
        moment = datetime.fromisoformat(text.strip()[:40])
        at = int((moment if moment.tzinfo else moment.replace(tzinfo=zone)).timestamp() * 1000)
    except (ValueError, OverflowError, OSError):
        at = -1
    if not 0 <= at < 10**13:
        raise InvalidArgument(f"{what} is {text[:40]!r}; it must be a time, e.g. 2026-11-22T03:02.")
    return at + 999 if is_end and at % 1000 == 0 else at
