"""What holds for every page by its words, its style sheets and its templates; looked at without a browser."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from flask import Flask

from tests.console import Tasks, Visitor, text_of
from tests.engine import Engine
from tests.forms import buttons_of
from tests.places import Places

STATES = (
    *("scheduled", "blocked", "ready", "held", "cancelled", "expired", "discarded", "trashed", "running", "retrying"),
    *("completed", "dead", "paused", "alive", "quiet", "stale", "lost"),
)
LIVE = re.compile(r'aria-live="[^"]*"|role="(?:status|alert|log|timer|marquee)"')


@pytest.fixture
def pages(app: Flask, visitor: Visitor, tasks: Tasks, engine: Engine) -> dict[str, str]:
    """Address → page, of all that are pages."""
    found = {}
    for place in Places(tasks, engine).every(app):
        if not place.changes and not place.is_for_programs:
            answer = visitor.get(place.path)
            if answer.mimetype == "text/html" and answer.status_code in (200, 404):
                found[place.path] = answer.text
    return found


@pytest.fixture
def styles(app: Flask) -> str:
    folder = Path(app.static_folder or "")
    return "\n".join(path.read_text(encoding="utf-8") for path in sorted(folder.rglob("*.css")))


def test_every_page_has_its_name_the_environment_and_the_products_in_its_title(pages: dict[str, str]) -> None:
    assert len(pages) > 20
    for path, page in pages.items():
        title = re.search(r"<title>([^<]*)</title>", page)
        assert title, path
        assert re.fullmatch(r"(\(\d+\) )?[^·]+ · test · Taskyard", title[1]), path
        assert page.count("<h1") == 1, path
        assert 'class="environment" data-colour="green"' in page, path


def test_three_dots_lead_to_a_preview_or_a_form_and_a_verb_without_acts(pages: dict[str, str]) -> None:
    seen = set()
    for path, page in pages.items():
        for method, words in buttons_of(page):
            if words:
                seen.add(method)
                assert words.endswith("…") is (method == "get" and "…" in words), f"{path}: {words}"
    assert seen == {"get", "post", "dialog"}


def test_links_to_forms_and_previews_are_known_as_that_so_that_they_are_off_while_nothing_can_be_done(
    pages: dict[str, str],
) -> None:
    seen = 0
    for path, page in pages.items():
        for attributes, content in re.findall(r"<a\b([^>]*)>(.*?)</a>", page, re.S):
            leads = text_of(content).endswith("…")
            assert leads is ("data-form-link" in attributes), f"{path}: {text_of(content)}"
            seen += leads
    assert seen > 20


def test_no_page_praises_itself_shouts_or_says_oops(pages: dict[str, str]) -> None:
    for path, page in pages.items():
        text = text_of(re.sub(r"<(script|code|pre)\b.*?</\1>", "", page.partition("<body")[2], flags=re.S))
        assert not re.search(r"successful|oops|!|\bsorry\b|please", text, re.I), path


def test_what_is_wrong_stands_before_the_queues_and_those_before_the_workers(pages: dict[str, str]) -> None:
    page = pages["/"]
    places = [page.index(f'id="{name}"') for name in ("problems", "queues", "workers")]
    assert places == sorted(places)


def test_no_region_of_a_page_that_refreshes_chatters(app: Flask) -> None:
    """What a screen reader is told by itself: toasts, the end of a sign-in, what is wrong in a form."""
    root = Path(app.root_path).parent / "templates"
    assert root.is_dir()
    panels = [path for path in root.rglob("_*.html") if path.name not in ("_to.html",)]
    assert [path.name for path in panels if LIVE.search(path.read_text(encoding="utf-8"))] == []
    assert len(LIVE.findall((root / "base.html").read_text(encoding="utf-8"))) == 2


def test_keys_that_are_told_are_those_that_there_are(app: Flask, pages: dict[str, str]) -> None:
    script = (Path(app.static_folder or "") / "app.js").read_text(encoding="utf-8")
    actions = script.partition("const actions = {")[2].partition("};")[0]
    known = set(re.findall(r'^\s+"?([a-z/?])"?:', actions, re.M))
    help_text = pages["/"].partition('<dl class="keys">')[2].partition("</dl>")[0]
    told = set(re.findall(r"<kbd>([^<]+)</kbd>", help_text.partition("<kbd>g</kbd>")[0])) | {"?"}
    assert told - {"Enter"} == known
    ways = set(re.findall(r"<kbd>([^<]+)</kbd>", help_text.partition("<kbd>g</kbd>")[2])) - {"?"}
    assert ways == set(re.findall(r'data-go="(.)"', pages["/"])) == set("oqfwsa")


def test_no_two_states_look_alike(app: Flask) -> None:
    icon = app.jinja_env.get_template("shared/icons.html").module.icon  # type: ignore[attr-defined]
    drawn = {name: str(icon(name)) for name in STATES}
    assert len(set(drawn.values())) == len(STATES)
    assert str(icon("no state")) not in drawn.values()


def test_type_has_two_weights_and_motion_one_length(styles: str) -> None:
    assert set(re.findall(r"font-weight: *([^;}]+)", styles)) == {"400", "600"}
    assert set(re.findall(r"\b(\d+m?s)\b(?= ease)", styles)) == {"120ms"}
    assert not re.search(r"infinite|skeleton|blink", styles)
    reduced = styles.partition("(prefers-reduced-motion: reduce)")[2][:120]
    assert "animation: none !important; transition: none !important" in reduced


def luminance(colour: str) -> float:
    parts = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.03928 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize(("scheme", "least"), [("light", 0), ("dark", 1)])
def test_tokens_have_the_contrast_that_they_need(styles: str, scheme: str, least: int) -> None:
    tokens = {
        name: (light, dark)[least]
        for name, light, dark in re.findall(r"--([\w-]+): *light-dark\((#\w{6}), *(#\w{6})\)", styles)
    }
    for ground in ("canvas", "surface", "inset"):
        for name, needed in (("text", 12), ("text-2", 6), ("control", 3)):
            assert contrast(tokens[name], tokens[ground]) >= needed, (name, ground)
        for name in ("bad", "warn", "good", "busy", "accent"):
            assert contrast(tokens[name], tokens[ground]) >= 5, (name, ground)
    for name in ("bad", "warn", "good", "busy"):
        assert contrast(tokens[name], tokens[f"{name}-bg"]) >= 5, name
