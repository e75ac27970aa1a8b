"""Schedules are added, changed and removed: a form whose rule is checked, and shown in words with what comes next,
before anything is stored. What code declares is changed in the code."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

from flask import Blueprint, Response, g, request, url_for

from dashboard.actions import action_id, done, reason
from dashboard.editing import has_mask, read_json
from dashboard.filters import middle
from dashboard.htmx import render_page
from dashboard.identity import Role, actor, may_edit, needs
from dashboard.parts import parts
from dashboard.rendering import viewer
from dashboard.targets import Target, target_of
from dashboard.toasts import say
from dashboard.views.schedules import Coming, coming
from queue_core.errors import InvalidArgument
from queue_core.schedule import MISSED, MISSED_WORDS, next_after
from queue_core.schedules import scheduled
from queue_core.settings import DEFAULT_QUEUE
from queue_core.snapshot import Outcome, ScheduleSnapshot

blueprint = Blueprint("schedule_forms", __name__)

NEXT = 5
MOST_ARGUMENTS = 60_000
"""Characters."""


@dataclass(frozen=True, slots=True)
class Fields:
    """As they were typed. `kind`: `cron` or `every`; `arguments`: JSON, of a change empty for those that are stored."""

    name: str = ""
    task: str = ""
    queue: str = DEFAULT_QUEUE
    kind: str = "cron"
    cron: str = ""
    time_zone: str = "UTC"
    every: str = ""
    missed: str = "one"
    overlap: str = "yes"
    priority: str = "0"
    arguments: str = ""

    @classmethod
    def read(cls, form: Mapping[str, str]) -> Fields:
        typed = {name: form.get(name, "").replace("\r\n", "\n").strip() for name in asdict(cls())}
        # What cannot be seen is written as its escape, which means the same.
        seen = (c if c in "\n\t" or c.isprintable() else json.dumps(c)[1:-1] for c in typed["arguments"])
        return cls(**{**typed, "arguments": "".join(seen)})

    @classmethod
    def of(cls, schedule: ScheduleSnapshot) -> Fields:
        every = schedule.every_seconds
        return cls(
            name=schedule.name,
            task=schedule.task,
            queue=schedule.queue,
            kind="cron" if schedule.cron else "every",
            cron=schedule.cron,
            time_zone=schedule.time_zone or "UTC",
            every="" if every is None else f"{every:g}",
            missed=schedule.missed,
            overlap="yes" if schedule.overlap else "no",
            priority=str(schedule.priority),
        )

    @property
    def mark(self) -> str:
        """Of what was checked: the button that stores it is bound to it."""
        return hashlib.sha256(json.dumps(asdict(self)).encode("utf-8", "replace")).hexdigest()[:24]

    @property
    def rule(self) -> dict[str, Any]:
        """As the engine takes it. Raises `InvalidArgument`."""
        if self.kind == "cron":
            return {"cron": self.cron, "time_zone": self.time_zone or "UTC"}
        if self.kind != "every":
            raise InvalidArgument("Say when it comes: by a cron expression, or every so many seconds.")
        try:
            return {"every": float(self.every[:40])}
        except ValueError:
            raise InvalidArgument(f"Every {self.every[:40]!r} seconds is not accepted: it is a number.") from None

    @property
    def policy(self) -> dict[str, Any]:
        return {"missed": self.missed, "overlap": self.overlap != "no"}

    def read_arguments(self) -> dict[str, Any]:
        """Raises `InvalidArgument`."""
        return read_arguments(self.arguments)


@dataclass(frozen=True, slots=True)
class FormPage:
    """`schedule`: of a change. `words`, `coming`, `target`: of a rule that was checked. `refusal`: why it cannot be
    changed."""

    fields: Fields
    schedule: ScheduleSnapshot | None
    missed: Mapping[str, str]
    queues: tuple[str, ...]
    zones: tuple[str, ...]
    refusal: str = ""
    wrong: str = ""
    words: str = ""
    coming: tuple[Coming, ...] = ()
    target: Target | None = None

    @property
    def is_checked(self) -> bool:
        return bool(self.words)


def read_arguments(text: str) -> dict[str, Any]:
    """JSON, or nothing. Raises `InvalidArgument`."""
    if len(text) > MOST_ARGUMENTS:
        raise InvalidArgument(f"The arguments have {len(text):,} characters; {MOST_ARGUMENTS:,} at most.")
    found = read_json(text) if text else {}
    if not isinstance(found, dict):
        raise InvalidArgument('The arguments are a JSON object of their names, such as {"days": 7}.')
    if has_mask(found):
        raise InvalidArgument("The arguments hide a value: type the whole of them, or leave them empty.")
    return found


@blueprint.get("/schedules/-/add")
@needs(Role.OPERATOR)
@may_edit
def add_form() -> Response:
    return _page(Fields(), None)


@blueprint.post("/schedules/-/check")
@needs(Role.OPERATOR)
@may_edit
def check_new() -> Response:
    """Changes nothing. (Arguments may be too long for an address, and are nobody's but the reader's.)"""
    return _checked(Fields.read(request.form), None)


@blueprint.post("/schedules/-/add")
@needs(Role.OPERATOR)
@may_edit
def add() -> Response:
    fields = Fields.read(request.form)
    if request.form.get("checked") != fields.mark:
        return _checked(fields, None)
    try:
        outcome = parts().schedules.add(
            fields.name,
            fields.task,
            **fields.rule,
            **fields.policy,
            arguments=fields.read_arguments(),
            queue=fields.queue,
            priority=_priority(fields),
            by=actor(),
            reason=reason(),
            action_id=action_id(fields.mark),
        )
    except InvalidArgument as error:
        return _page(fields, None, wrong=str(error))
    if not outcome.done:
        return _page(fields, None, wrong=f"There is a schedule {fields.name} already.")
    return _said(outcome, fields.name, f"{middle(fields.name, 64)} is added. Workers hear of it within 5 s.")


@blueprint.get("/schedules/<name>/change")
@needs(Role.OPERATOR)
@may_edit
def change_form(name: str) -> Response:
    schedule = parts().inspector.schedule(name)
    return _page(Fields.of(schedule), schedule)


@blueprint.post("/schedules/<name>/check")
@needs(Role.OPERATOR)
@may_edit
def check_change(name: str) -> Response:
    """Changes nothing."""
    return _checked(Fields.read(request.form), parts().inspector.schedule(name))


@blueprint.post("/schedules/<name>/change")
@needs(Role.OPERATOR)
@may_edit
def change(name: str) -> Response:
    """What is typed as it is stored stays as it is stored."""
    schedule, fields = parts().inspector.schedule(name), Fields.read(request.form)
    if refusal(schedule) or request.form.get("checked") != fields.mark:
        return _checked(fields, schedule)
    try:
        changes: dict[str, Any] = {} if _is_same_rule(fields, schedule) else fields.rule
        changes |= fields.policy
        if fields.arguments:
            changes["arguments"] = fields.read_arguments()
        outcome = parts().schedules.change(
            name, **changes, by=actor(), reason=reason(), action_id=action_id(fields.mark)
        )
    except InvalidArgument as error:
        return _page(fields, schedule, wrong=str(error))
    return _said(outcome, name, f"{middle(name, 64)} is changed. Workers hear of it within 5 s.")


@dataclass(frozen=True, slots=True)
class RemovePage:
    schedule: ScheduleSnapshot
    refusal: str


@blueprint.get("/schedules/<name>/remove")
@needs(Role.OPERATOR)
@may_edit
def remove_form(name: str) -> Response:
    schedule = parts().inspector.schedule(name)
    return render_page("schedules/remove.html", {}, RemovePage(schedule, refusal(schedule)))


@blueprint.post("/schedules/<name>/remove")
@needs(Role.OPERATOR)
@may_edit
def remove(name: str) -> Response:
    known = {schedule.name: schedule for schedule in parts().inspector.schedules()}
    if name in known:
        if why := refusal(known[name]):
            say(f"Nothing was removed: {why}", kind="warn")
            return done(to=url_for("schedules.show", name=name))
        parts().schedules.remove(name, by=actor(), reason=reason(), action_id=action_id())
    say(f"{middle(name, 64)} is gone. Tasks that it has made stay.")
    return done(to=url_for("schedules.index"))


def refusal(schedule: ScheduleSnapshot) -> str:
    """Why it is not changed or removed here; "" where it can be."""
    if schedule.app and not schedule.undeclared_at:
        return f"{schedule.app} declares it, so it is changed there. A pause stays, whatever is deployed."
    return ""


def _said(outcome: Outcome, name: str, sentence: str) -> Response:
    if outcome.done:
        say(sentence)
    else:
        say(f"Nothing was changed: {', '.join(outcome.skipped.values())}.", kind="warn")
    return done(outcome.server_ms, to=url_for("schedules.show", name=name))


def _checked(fields: Fields, schedule: ScheduleSnapshot | None) -> Response:
    """The same form, with the rule in words and what comes next; or with what is wrong."""
    try:
        start = None
        if schedule and schedule.start_at and _is_same_rule(fields, schedule):
            start = datetime.fromtimestamp(schedule.start_at / 1000, UTC)
        wanted = scheduled(
            fields.name if schedule is None else schedule.name,
            fields.task if schedule is None else schedule.task,
            **fields.rule,
            **fields.policy,
            start=start,
            arguments=fields.read_arguments(),
            queue=fields.queue if schedule is None else schedule.queue,
            priority=_priority(fields),
        )
    except InvalidArgument as error:
        return _page(fields, schedule, wrong=str(error))
    times = next_after(wanted.rule, g.now_ms, NEXT)
    found = coming(times, wanted.time_zone if wanted.cron else "UTC")
    return _page(fields, schedule, words=wanted.rule.words, coming=found, target=target_of("", wanted.queue))


def _priority(fields: Fields) -> int:
    try:
        return int(fields.priority[:8] or "0")
    except ValueError:
        raise InvalidArgument(f"Priority {fields.priority[:8]!r} is not accepted: it is a whole number.") from None


def _is_same_rule(fields: Fields, schedule: ScheduleSnapshot) -> bool:
    stored = Fields.of(schedule)
    if fields.kind != stored.kind:
        return False
    if fields.kind == "cron":
        return (fields.cron, fields.time_zone) == (stored.cron, stored.time_zone)
    return fields.every == stored.every


def _page(fields: Fields, schedule: ScheduleSnapshot | None, *, wrong: str = "", **more: Any) -> Response:
    snapshot = g.view.snapshot
    page = FormPage(
        fields,
        schedule,
        {policy: MISSED_WORDS[policy] for policy in MISSED},
        tuple(queue.name for queue in snapshot.queues) if snapshot else (),
        tuple(dict.fromkeys(("UTC", viewer().zone_name))),
        refusal=refusal(schedule) if schedule else "",
        wrong=wrong,
        **more,
    )
    return render_page("schedules/form.html", {}, page, status=422 if wrong else 200)
