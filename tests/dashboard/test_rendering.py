"""What templates keep of texts and addresses is never that of another place, zone or day."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from flask import Flask, g

from dashboard.viewer import Viewer


def ms(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() * 1000)


def rendered(app: Flask, template: str, *, root: str = "", now: str = "2026-11-22T12:00", zone: str = "UTC") -> str:
    with app.test_request_context("/", environ_overrides={"SCRIPT_NAME": root}):
        g.now_ms, g.viewer = ms(now), Viewer(time_mode="local", zone_name=zone, local_zone=ZoneInfo(zone))
        return app.jinja_env.from_string(template).render()


def test_an_address_is_that_of_the_place_at_which_it_is_asked_for(app: Flask) -> None:
    template = "{{ url_for('queues.show', name='email') }} {{ url_for('queues.index', n=1) }}"
    for root in ("", "/ops", "", "/jobs"):
        assert rendered(app, template, root=root) == f"{root}/queues/email {root}/queues?n=1"
    assert rendered(app, "{{ url_for('queues.index', n=true) }}") == "/queues?n=True"
    assert rendered(app, "{{ url_for('queues.index', n=['a', 'b']) }}") == "/queues?n=a&amp;n=b"


@pytest.mark.parametrize(
    ("zone", "last", "first"),
    [
        ("UTC", "2026-11-22T23:59:59", "2026-11-23T00:00"),
        ("Asia/Kolkata", "2026-11-22T18:29:59", "2026-11-22T18:30"),
        ("Asia/Kathmandu", "2026-11-22T18:14:59", "2026-11-22T18:15"),
        ("Europe/Vienna", "2026-11-22T22:59:59", "2026-11-22T23:00"),
    ],
)
def test_a_time_of_today_has_a_date_from_the_next_day_on(app: Flask, zone: str, last: str, first: str) -> None:
    at = ms("2026-11-22T12:00:00.120")
    template = "{{ %d|precise }}" % at  # noqa: UP031
    shown = f"{datetime.fromtimestamp(at / 1000, ZoneInfo(zone)):%H:%M:%S}.120"
    for now, told in ((last, shown), (first, f"22 Nov {shown}"), (last, shown)):
        assert rendered(app, template, now=now, zone=zone) == told
