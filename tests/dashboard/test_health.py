"""What probes are told: whether the process works, and whether it can be of use now."""

from __future__ import annotations

from dataclasses import replace

import pytest
from flask import Flask

from dashboard import ConsoleSettings, create_app, tender_of
from dashboard.live import View
from dashboard.tending import Tender
from dashboard.views.health import OLD_MS, _trouble
from queue_core.operations import Operations
from tests.console import Visitor


def test_both_are_well(visitor: Visitor) -> None:
    for path in ("/healthz", "/readyz"):
        answer = visitor.get(path)
        assert (answer.status_code, answer.get_json()) == (200, {"status": "ok"}), path


def test_without_redis_it_is_alive_and_not_ready() -> None:
    visitor = Visitor(create_app(ConsoleSettings(redis_url="redis://127.0.0.1:1/0")).test_client())
    assert visitor.get("/healthz").status_code == 200
    answer = visitor.get("/readyz")
    assert (answer.status_code, answer.get_json()["reason"]) == (503, "Redis does not answer.")


def test_a_server_that_refuses_is_no_server() -> None:
    view = View(None, (), 0, away_since=0, error="refused: NOAUTH of somebody")
    assert _trouble(view) == "Redis answers with an error."


def test_a_snapshot_that_is_not_renewed_is_told(app: Flask) -> None:
    view = app.extensions["taskyard"].live.view()
    assert view.snapshot is not None
    assert _trouble(view) == ""
    assert "was last heard 11 s ago" in _trouble(replace(view, now_ms=view.snapshot.taken_at + OLD_MS + 1000))


def test_who_runs_no_bulk_work_is_not_well(app: Flask, visitor: Visitor, monkeypatch: pytest.MonkeyPatch) -> None:
    tender = tender_of(app)
    tender.start()
    try:
        assert visitor.get("/healthz").status_code == 200
        monkeypatch.setattr("dashboard.tending.SILENT_SECONDS", -1.0)
        answer = visitor.get("/healthz")
        assert (answer.status_code, "stuck for" in answer.get_json()["reason"]) == (503, True)
        assert visitor.get("/readyz").status_code == 503
    finally:
        tender.stop()
    assert visitor.get("/healthz").status_code == 200  # nobody started it, as in a test


def test_a_thread_that_has_ended_is_told(settings: ConsoleSettings) -> None:
    def connect() -> Operations:
        return Operations(settings.redis_url, settings.namespace)

    tender = Tender(connect)
    tender.start()
    assert tender._thread is not None
    tender._is_stopping.set()
    tender.wake()
    tender._thread.join(5)
    assert not tender._thread.is_alive()
    assert tender.trouble() == "The thread that runs bulk work has ended."
    tender.stop()
