"""What templates can use: the formatting rules, bound to the one who looks and to the server's time."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from datetime import tzinfo
from functools import cache, lru_cache
from pathlib import Path
from typing import Any, cast
from urllib.parse import urlencode

from flask import Flask, g, request, url_for
from flask.globals import request_ctx
from jinja2.ext import Extension
from markupsafe import Markup

from dashboard import charts, filters, wording
from dashboard.bytecode import BesideSources
from dashboard.identity import Role, current_user
from dashboard.navigation import ENTRIES, FIRST, SYSTEM
from dashboard.settings import ConsoleSettings
from dashboard.toasts import take_toasts
from dashboard.viewer import Viewer
from queue_core import formats

_INDENT = re.compile(r"^[ \t]+(?=<)", re.MULTILINE)
FIRST_TEMPLATES = ("base", "shared/", "overview/", "queues/_rows")
"""Of the overview, which is opened first."""
SPARKLINES = 1_000
"""That are kept: each is shown until its queue's minutes are read again."""
TEXTS = 10_000
"""Addresses and times that are kept: a page that refreshes itself has the same again and again."""
QUARTER_MS = 900_000
"""Of an hour. In every zone the day begins with one."""


class Unindented(Extension):
    """What stands before an element on its line is for whoever reads the template: rows are sent without it."""

    def preprocess(self, source: str, name: str | None, filename: str | None = None) -> str:
        return _INDENT.sub("", source)


def viewer() -> Viewer:
    chosen = g.get("viewer")
    return chosen if isinstance(chosen, Viewer) else Viewer()


def now_ms() -> int:
    return int(g.get("now_ms", 0))


def register(app: Flask, settings: ConsoleSettings) -> None:
    environment = app.jinja_env
    environment.trim_blocks = environment.lstrip_blocks = True
    environment.add_extension(Unindented)
    environment.bytecode_cache = BesideSources([__file__, filters.__file__, formats.__file__])
    # Every value that is written, wherever it comes from: characters that cannot be seen are made visible.
    environment.finalize = _finalize
    environment.filters.update(
        exact=filters.exact,
        count=filters.short_count,
        iso=lru_cache(maxsize=TEXTS)(filters.iso),
        rate=filters.rate,
        size=filters.size,
        short_id=filters.short_id,
        middle=filters.middle,
        end=filters.end,
        one_line=filters.one_line,
        thin=filters.thin,
        ago=lambda at: filters.ago(at, now_ms()),
        until=lambda at: filters.until(at, now_ms()),
        duration=filters.duration,
        since=lambda at: filters.duration(None if at is None else now_ms() - at),
        seconds=lambda seconds: filters.duration(seconds * 1000),
        clock=lambda at: filters.clock(at, now_ms(), viewer().zone),
        for_input=lambda at: filters.for_input(at, viewer().zone),
        time_of_day=lambda at: filters.time_of_day(at, viewer().zone),
        minute=lambda at: filters.minute(at, now_ms(), viewer().zone),
        precise=lambda at: _precise(at, now_ms() // QUARTER_MS, viewer().zone),
    )
    environment.globals.update(
        plural=filters.plural,
        share=filters.share,
        plausible=filters.plausible,
        sparkline=lru_cache(maxsize=SPARKLINES)(charts.sparkline),
        time_to_clear=filters.time_to_clear,
        settings=settings,
        static=lambda name: _static_url(app, name),
        here=here,
        navigation=ENTRIES,
        first_entries=FIRST,
        system_entry=SYSTEM,
        act=wording.act,
        skipped_words=wording.skipped,
        held_back=wording.held_back,
        as_seen=wording.as_seen,
        handled=wording.handled,
        ended_as=wording.ended_as,
        outcome=wording.outcome,
        page_of=lambda operation: url_for("activity.show", operation_id=operation.id, queue=operation.bound.queue),
        may=lambda role: current_user().may(Role[role.upper()]),
        take_toasts=take_toasts,
        url_for=_addresses(app),
        with_query=with_query,
    )

    @app.context_processor
    def names_of_every_page() -> dict[str, Any]:
        return {"viewer": viewer(), "user": current_user(), "view": g.get("view"), "now_ms": now_ms()}


def load_templates(app: Flask, beginnings: tuple[str, ...] = ("",)) -> None:
    """Compiles those whose names begin so, which else the first look at a page does."""
    for name in app.jinja_env.list_templates(extensions=("html",)):
        if name.startswith(beginnings):
            app.jinja_env.get_template(name)


def with_query(**changes: str | int | None) -> str:
    """The address of this page with other parameters; `None` takes one away. Paging begins anew unless it is named."""
    arguments: dict[str, Any] = {
        name: values for name, values in request.args.lists() if name not in ("cursor", "page", "rows", "held", "known")
    }
    arguments.update({name: value for name, value in changes.items() if value is not None})
    for name in [name for name, value in changes.items() if value is None]:
        arguments.pop(name, None)
    # The query is anybody's: as keywords of url_for its names could be taken for url_for's own.
    address = url_for(request.endpoint or "overview.index", **(request.view_args or {}))
    return f"{address}?{urlencode(arguments, doseq=True)}" if arguments else address


def here() -> str:
    """The address to come back to after an action: path and query of the page that is shown.

    A page that answers a POST may stand where there is nothing to get: then the nearest above it.
    """
    if request.method == "GET" or _can_be_got(request.path):
        return request.full_path.rstrip("?")
    above = request.path
    while above and not _can_be_got(above):
        above = above.rpartition("/")[0]
    return above or "/"


def _can_be_got(path: str) -> bool:
    adapter = request_ctx.url_adapter
    return adapter is not None and adapter.test(path, "GET")


@lru_cache(maxsize=TEXTS)
def _precise(at: int | None, quarter: int, zone: tzinfo) -> str:
    return filters.clock(at, quarter * QUARTER_MS, zone, with_ms=True)


def _addresses(app: Flask) -> Callable[..., str]:
    """`url_for` for templates. Beside its arguments an address is made of where the console is served, and nothing else
    of a request: no endpoint in a template begins with a dot."""

    @lru_cache(maxsize=TEXTS, typed=True)
    def made(root: str, endpoint: str, **values: Any) -> str:
        return app.url_for(endpoint, **values)

    def address(endpoint: str, **values: Any) -> str:
        try:
            return made(request.script_root, endpoint, **values)
        except TypeError:  # a list is no key
            return app.url_for(endpoint, **values)

    return address


def _finalize(value: object) -> object:
    is_text = type(value) is str or (isinstance(value, str) and not isinstance(value, Markup))
    return filters.visible(cast(str, value)) if is_text else value


def _static_url(app: Flask, name: str) -> str:
    """Changes when the file does, so that browsers may keep it for long."""
    return url_for("static", filename=name, v=_fingerprint(Path(app.static_folder or "") / name))


@cache
def _fingerprint(path: Path) -> str:
    return hashlib.blake2b(path.read_bytes(), digest_size=5).hexdigest()
