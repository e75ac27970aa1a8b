"""Whatever stands in Redis is text on every page and in every answer: escaped, and nothing unseen in it."""

from __future__ import annotations

import re
from urllib.parse import quote

import pytest
from flask import Flask
from redis import Redis

from dashboard import live
from tests.console import PARTIAL, Tasks, Visitor
from tests.hostile import ALL_AT_ONCE, UNSEEN, Elements, add_strangers, spoil
from tests.places import Places

BROKEN = ("Something broke", "This part could not be shown")


def check(page: str, what: str) -> None:
    assert not [words for words in BROKEN if words in page], what
    unseen = re.search(UNSEEN, page)
    assert unseen is None, f"{what}: {page[unseen.start() - 100 : unseen.end()]!r}"
    seen = Elements(page)
    assert seen.foreign() == [], what
    assert seen.tags.count("script") <= 2, what
    assert "alert(1)<" not in page.replace("alert(1)</", ""), what


def test_every_stored_text_is_text_on_every_page(
    app: Flask,
    visitor: Visitor,
    tasks: Tasks,
    places: Places,
    redis_client: Redis,
    namespace: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    app.testing = False  # what breaks becomes a page
    tasks.control.pause("billing", by="bo", reason="bad", action_id="p")
    tasks.control.close_lane("billing", "name:charge", by="bo", reason="bad", action_id="l")
    fault = tasks.fingerprint()
    tasks.control.mute_fault("billing", fault, attempts=99, by="bo", reason="known", action_id="m")
    tasks.control.note_fault("billing", fault, "see #4411", by="bo", action_id="n")
    (purged,) = tasks.die("bin")
    tasks.control.trash("bin", [purged], by="ada", reason="no", action_id="t")
    tasks.yard.schedules.pause("billing", by="ada", reason="it moves", action_id="s")
    add_strangers(redis_client, namespace)
    paths = [place.path for place in places.every(app) if not place.changes]
    paths += [f"/queues/bin/tasks/{purged}", "/queues/bin?state=trashed", "/queues/billing?state=dead", "/dead?muted=1"]
    paths += [f"/workers/{quote(ALL_AT_ONCE, safe='')}", f"/find?q={quote(ALL_AT_ONCE)}"]
    rounds = 0
    for spoiled in spoil(redis_client, namespace):
        rounds += 1
        monkeypatch.setattr(live, "INTERVAL_SECONDS", 0)  # one snapshot a round
        for path in paths:
            if path.startswith("/api/") and rounds % 2:
                continue
            answer = visitor.get(path, **(PARTIAL if rounds % 4 == 0 else {}))
            monkeypatch.setattr(live, "INTERVAL_SECONDS", 3_600)
            what = f"{path} with {spoiled}"
            if answer.mimetype == "text/html":
                check(answer.text, what)
            else:
                assert answer.text.isascii() or answer.mimetype == "text/plain", what
                assert answer.headers["X-Content-Type-Options"] == "nosniff", what
    assert rounds > 10
