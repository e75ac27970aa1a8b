"""Every key: its slot, its name, and what may be a name."""

from __future__ import annotations

import re
from functools import cached_property

import pytest
from redis.crc import key_slot

from queue_core import keys
from queue_core.errors import InvalidArgument, InvalidName
from queue_core.keys import QueueKeys

QUEUE = QueueKeys("qc", "email")
PLAIN = sorted(name for name, value in vars(QueueKeys).items() if isinstance(value, cached_property))
MADE = {"record": QUEUE.record("id"), "session": QUEUE.session("sid")}
ALL = {**{name: getattr(QUEUE, name) for name in PLAIN}, **MADE}


@pytest.mark.parametrize("name", PLAIN)
def test_key_is_called_as_its_property(name: str) -> None:
    assert ALL[name] == f"qc:{{email}}:{name}"


def test_keys_differ_and_share_a_slot() -> None:
    assert len(set(ALL.values())) == len(ALL)
    assert all(key.startswith("qc:{email}:") for key in ALL.values())


def test_namespaces_and_queues_do_not_meet() -> None:
    seen = {getattr(QueueKeys(space, queue), name) for space in ("a", "a.b") for queue in ("x", "y") for name in PLAIN}
    assert len(seen) == 4 * len(PLAIN)


@pytest.mark.parametrize("name", ["queues", "workers"])
def test_directories_stand_beside_the_queues(name: str) -> None:
    assert getattr(keys, name)("qc") == f"qc:{name}"
    assert keys.worker("qc", "w1") == "qc:worker:w1"


def test_a_forms_mark_shares_the_slot_of_the_audit_stream() -> None:
    stream = keys.audit("qc")
    assert stream == "qc:audit"
    assert keys.audited("qc", "a1") == f"qc:audited:{{{stream}}}:a1"
    assert key_slot(stream.encode()) == key_slot(keys.audited("qc", "a1").encode())


@pytest.mark.parametrize("name", PLAIN)
def test_every_key_says_its_type_and_content(name: str) -> None:
    documentation = getattr(QueueKeys, name).__doc__
    assert re.match(r"(HASH|LIST|SET|ZSET|STRING)\b", documentation)


@pytest.mark.parametrize("name", ["a", "_", "0", "send_email", "a.b:c-d", "x" * 128])
def test_names_that_are_accepted(name: str) -> None:
    assert keys.check_name("task", name) == name


@pytest.mark.parametrize(
    "name",
    ["", " ", "a b", "-a", ".a", ":a", "a/b", "a{b}", "é", "a\n", "\na", "a\0", "x" * 129, "<b>", None, 7, b"a", ["a"]],
)
def test_names_that_are_refused_with_what_would_be_accepted(name: object) -> None:
    with pytest.raises(InvalidName, match="1 to 128 letters") as refused:
        keys.check_name("queue", name)
    assert isinstance(refused.value, InvalidArgument)
    assert isinstance(refused.value, ValueError)


@pytest.mark.parametrize(("namespace", "queue"), [("a b", "x"), ("a", "x}"), ("", "x"), ("a", "")])
def test_keys_are_made_of_checked_names_only(namespace: str, queue: str) -> None:
    with pytest.raises(InvalidName):
        QueueKeys(namespace, queue)


def test_sentinel_is_no_id_and_longer_than_a_small_entry() -> None:
    assert len(keys.SENTINEL) > 64
    assert ":" in keys.SENTINEL


def test_scores_of_all_priorities_are_exact() -> None:
    for priority in (keys.MAX_PRIORITY, -keys.MAX_PRIORITY):
        assert abs(priority) * keys.PRIORITY_STEP + keys.PRIORITY_STEP < 2**53
