"""Every script's header tells its keys, arguments and answer, and is believed: it is compared with what the script uses
and with what the protocol sends."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from queue_core import scripts
from queue_core.histogram import BUCKETS
from queue_core.keys import LASTING, QueueKeys
from queue_core.snapshot import COUNTERS
from tests.engine import Engine
from tests.scripts.scenarios import SCENARIOS

FOLDER = Path(scripts.__file__).parent
VERBS = scripts.names()
READERS = [verb for verb in VERBS if "no-writes" in scripts.load(verb).text.split("\n")[0]]
FSCK = {"examine", "repair", "reclaim", "relist", "recount", "balance"}
"""What checks and repairs walks a queue, and says so."""
OF_NO_QUEUE = {"audit", "register", "note_worker", "describe_worker", "command_worker", "set_schedule", "end_sign_in"}
"""Their keys are in slots of their own."""
MAKING_TASKS = {"enqueue", "enqueue_occurrence"}
TRANSITIONS = sorted(set(VERBS) - set(READERS) - FSCK - OF_NO_QUEUE)
LIBRARIES = sorted(path.stem for path in (FOLDER / "lib").glob("*.lua"))
FIGURES = (FOLDER / "lib" / "figures.lua").read_text()
COUNT = re.compile(r"^local function count\(.*?^end\n", re.MULTILINE | re.DOTALL)
GROWING = {
    "KEYS",
    "SCAN",
    "HSCAN",
    "SSCAN",
    "ZSCAN",
    "SMEMBERS",
    "HVALS",
    "LREM",
    "LINSERT",
    "LPOS",
    "SORT",
    "FLUSHALL",
}
"""Commands whose cost grows with a queue, or that reach beyond it."""
BOUNDED = {"HGETALL": {"attempts", "closed", "names"}, "HKEYS": {"closed"}}
"""Commands that read a whole key, and the keys that are small enough."""


def header_of(verb: str) -> str:
    lines = (FOLDER / f"{verb}.lua").read_text().splitlines()[1:]
    end = next(i for i, line in enumerate(lines) if "include" in line or not line.startswith("--"))
    return "\n".join(line[3:] for line in lines[:end])


def keys_of(verb: str) -> dict[str, str]:
    """Name → type, as the header has them."""
    return scripts.header_keys(source_of(verb))


def key_words_of(verb: str) -> str:
    return " ".join(header_of(verb).partition("KEYS ")[2].partition("ARGV")[0].split())


def test_every_transition_has_a_scenario() -> None:
    assert sorted(SCENARIOS) == TRANSITIONS


@pytest.mark.parametrize("verb", VERBS)
def test_header_says_what_becomes_true_and_what_is_returned(verb: str) -> None:
    header = header_of(verb)
    assert re.match(r"[A-Z].+?\.", header, re.DOTALL)
    assert "Returns" in header


@pytest.mark.parametrize("verb", sorted(set(VERBS) - OF_NO_QUEUE))
def test_header_names_every_key_with_its_type(verb: str) -> None:
    keys = keys_of(verb)
    words = re.sub(r"; [^:]+:", ",", key_words_of(verb).partition(", then ")[0])
    assert words == ", ".join(f"{name} {kind}" for name, kind in keys.items())
    assert next(iter(keys.items())) == ("control", "HASH")
    for name, kind in keys.items():
        documented = getattr(QueueKeys, name).__doc__
        assert re.match(rf"{kind}\b", documented), f"keys.py says of {name}: {documented}"


@pytest.mark.parametrize("verb", sorted(set(VERBS) - {"observe"}))  # which tells of each key that it is damaged
def test_script_uses_every_key_of_its_header(verb: str) -> None:
    body = re.sub(r"^local .*= KEYS\[1\].*$|check_types\(.*\)", "", body_of(verb), flags=re.MULTILINE)
    for name in keys_of(verb):
        assert re.search(rf"\b{name}\b", body), f"{name} is not used"
    assert "KEYS[#" not in body
    assert bool(re.search(r"KEYS\[|\bkey = ", body)) == (", then " in key_words_of(verb))


@pytest.mark.parametrize("verb", VERBS)
def test_keys_of_another_type_are_refused_before_anything_is_written(verb: str) -> None:
    assert "-- check keys\n" in source_of(verb) or not set(keys_of(verb)) - {"control", "session"}
    assert "-- check keys" not in scripts.load(verb).text


@pytest.mark.parametrize("verb", VERBS)
def test_header_names_every_argument(verb: str) -> None:
    named = {int(number) for number in re.findall(r"ARGV\[(\d+)\]", header_of(verb))}
    used = {int(number) for number in re.findall(r"ARGV\[(\d+)\]", body_of(verb))}
    assert used <= named
    assert named == set(range(1, len(named) + 1))


@pytest.mark.parametrize("verb", TRANSITIONS)
def test_protocol_passes_the_keys_that_the_header_asks_for(verb: str, engine: Engine) -> None:
    call = SCENARIOS[verb](engine)
    assert call.has_session == ("session" in keys_of(verb))
    if verb == "delete_queue":
        sent = {*engine.queue.named(call.script.keys), *call.keys, engine.queue.control}
        assert sent == {getattr(engine.queue, name) for name in LASTING}
    else:
        of_chunks = {engine.queue.operations, engine.queue.outcomes} if verb == "recall" else set()
        others = set(call.keys) - of_chunks
        assert all(key.startswith((engine.queue.record(""), engine.queue.operation(""))) for key in others)
    behind = key_words_of(verb).partition(", then ")[2]
    assert bool(call.keys) == bool(behind and not behind.startswith("for a chunk"))


@pytest.mark.parametrize("verb", VERBS)
def test_only_what_makes_tasks_is_refused_by_a_full_server(verb: str) -> None:
    flags = "flags=no-writes,allow-oom" if verb in READERS else "flags=allow-oom"
    assert scripts.load(verb).text.startswith("#!lua\n" if verb in MAKING_TASKS else f"#!lua {flags}\n")


@pytest.mark.parametrize("verb", sorted(set(VERBS) - FSCK))
def test_no_command_costs_more_in_a_longer_queue(verb: str) -> None:
    for command, first in re.findall(r"call\('(\w+)'(?:, (\w+))?", scripts.load(verb).text):
        assert command not in GROWING
        assert command not in BOUNDED or first in BOUNDED[command]
    assert not re.findall(r"call\('[LZ]\w*RANGE\w*', \w+, 0, -1", scripts.load(verb).text)


@pytest.mark.parametrize("verb", VERBS)
def test_every_key_that_is_touched_is_passed(verb: str) -> None:
    """No key is put together in Lua: the first argument of a command is a name, never an expression. (A channel is no
    key.)"""
    own = keys_of(verb).keys() | {
        "place",
        "key",
        "pairs_",
        "at_head",
        "action",
        "audit",
        "form",
        "schedules",
        "KEYS[1]",
    }
    own |= {"operation", "index", "results"}
    for argument in re.findall(r"call\('(?!TIME|PUBLISH)\w+', ([^,)]+)", body_of(verb)):
        assert argument in own | {"pairs_[i + 1]", "place[2]"}, argument


@pytest.mark.parametrize("verb", VERBS)
def test_no_function_is_made_that_is_never_called(verb: str) -> None:
    body = body_of(verb)
    assert not [
        name for name in re.findall(r"^local function (\w+)", body, re.M) if len(re.findall(rf"\b{name}\b", body)) == 1
    ]


@pytest.mark.parametrize("verb", VERBS)
def test_all_includes_are_there(verb: str) -> None:
    assert "-- include" not in scripts.load(verb).text


def test_every_library_is_used() -> None:
    used = {
        name
        for verb in VERBS
        for line in re.findall(r"^ *-- include (.+)$", source_of(verb), re.M)
        for name in line.split()
    }
    assert used == set(LIBRARIES)


@pytest.mark.parametrize("name", LIBRARIES)
def test_library_says_what_it_is_for(name: str) -> None:
    assert (FOLDER / "lib" / f"{name}.lua").read_text().startswith("-- ")


def test_script_and_reader_agree_on_the_order_of_figures() -> None:
    (listed,) = re.findall(r"COUNTERS = \{('.*?)\}", FIGURES, re.DOTALL)
    assert tuple(re.findall(r"'(\w+)'", listed)) == COUNTERS
    assert f"local BUCKETS = {BUCKETS}\n" in FIGURES


@pytest.mark.parametrize("verb", VERBS)
def test_counters_of_the_books_change_in_one_place(verb: str) -> None:
    changes = re.findall(r"'H(?:INCRBY|SET)', stats, ('wait')?", COUNT.sub("", scripts.load(verb).text))
    assert changes == (["'wait'"] if verb == "measure" else [])


def source_of(verb: str) -> str:
    return (FOLDER / f"{verb}.lua").read_text()


def body_of(verb: str) -> str:
    """The whole script with its includes, without comments."""
    return re.sub(r"--.*", "", scripts.load(verb).text)
