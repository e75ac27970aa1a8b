"""Texts that want to be more than text, and a server on which everything that is stored as a text is such."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from html.parser import HTMLParser
from typing import Any

TEXTS = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "'-alert(1)-'",
    "</title></textarea></style><svg onload=alert(1)>",
    "{{ 7 * 7 }}{% raw %}",
    "javascript:alert(1)",
    "<hx-partial hx-target='body'>gone</hx-partial>",
    "<div hx-get='/x' hx-trigger='load'>",
    "\u202egnp.exe\u202c",
    "zero\u200bwidth\ufeff",
    "\x00\x1b[31mred\x07",
    "&lt;b&gt; &amp;",
    "a" * 5_000,
    "\ud83d",
]
ALL_AT_ONCE = "\u202e\x1b" + "".join(text[:48].encode("utf-8", "ignore").decode() for text in TEXTS)
UNSEEN = "[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]"
"""What never stands in a page as it is: control, zero-width and direction characters."""


class Elements(HTMLParser):
    """What a browser would make of a page; text is dropped."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str]] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(name, value or "") for name, value in attrs]

    def foreign(self) -> list[str]:
        """What no template of ours has."""
        found = [tag for tag in self.tags if tag in ("img", "iframe", "object", "embed", "style", "base")]
        for name, value in self.attributes:
            leads = name in ("href", "src", "action", "formaction")
            if name.startswith("on") or name == "style" or (leads and value.partition(":")[0].lower() == "javascript"):
                found.append(f"{name}={value}")
            if (name == "hx-get" and not value.startswith("/")) or (name == "hx-target" and value == "body"):
                found.append(f"{name}={value}")
        return found


Write = Callable[[], object]


def add_strangers(redis: Any, namespace: str) -> None:
    """A queue, a worker, a schedule and tasks whose very names are hostile, and entries of the audit, each with one
    hostile fact."""
    name = ALL_AT_ONCE
    redis.sadd(f"{namespace}:queues", name)
    (worker,) = redis.zrange(f"{namespace}:workers", 0, 0)
    (heartbeat,) = redis.zmscore(f"{namespace}:workers", [worker])
    redis.zadd(f"{namespace}:workers", {name: heartbeat})
    redis.set(f"{namespace}:worker:{name}", redis.get(f"{namespace}:worker:{worker.decode()}"))
    redis.hset(f"{namespace}:schedules", name, next(iter(redis.hgetall(f"{namespace}:schedules").values())))
    for place in ("dead", "faults_seen"):
        redis.zadd(f"{namespace}:{{billing}}:{place}", {name: heartbeat})
    _, entry = redis.xrange(f"{namespace}:audit")[-1]
    for fact in entry:
        redis.xadd(f"{namespace}:audit", {**entry, fact: name})


def spoil(redis: Any, namespace: str) -> Iterator[list[str]]:
    """Round after round another text of each key is hostile, also texts within JSON: which ones. Then they are as they
    were."""
    every = [list(_spoiled(redis, key)) for key in sorted(redis.keys(f"{namespace}:*")) if _is_shown(key)]
    for round_ in range(max(map(len, every))):
        spoiled = [texts[round_] for texts in every if round_ < len(texts)]
        for _, write, _ in spoiled:
            write()
        yield [where for where, _, _ in spoiled]
        for _, _, heal in spoiled:
            heal()


def _is_shown(key: bytes) -> bool:
    return b":session:" not in key and b":audited:" not in key


def _spoiled(redis: Any, key: bytes) -> Iterator[tuple[str, Write, Write]]:
    """Where, what makes it hostile, what makes it as it was."""
    if redis.type(key) == b"string":
        stored = redis.get(key)
        for where, text in _values(stored):
            yield f"{key!r}{where}", _set(redis, key, text), _set(redis, key, stored)
    if redis.type(key) == b"hash":
        for field, stored in redis.hgetall(key).items():
            for where, text in _values(stored):
                yield f"{key!r} {field!r}{where}", _hset(redis, key, field, text), _hset(redis, key, field, stored)


def _set(redis: Any, key: bytes, value: bytes) -> Write:
    return lambda: redis.set(key, value)


def _hset(redis: Any, key: bytes, field: bytes, value: bytes) -> Write:
    return lambda: redis.hset(key, field, value)


def _values(stored: bytes) -> Iterator[tuple[str, bytes]]:
    head, brace, rest = stored.partition(b"{")
    try:
        record = json.loads(brace + rest)
    except ValueError:
        if not stored.isdigit():
            yield "", ALL_AT_ONCE.encode()
        return
    for where, made in _leaves(record):
        yield where, head + json.dumps(made).encode()


def _leaves(value: Any) -> Iterator[tuple[str, Any]]:
    """Each text in it replaced in turn, and each name."""
    if isinstance(value, dict):
        for name, inner in value.items():
            for where, made in _leaves(inner):
                yield f".{name}{where}", {**value, name: made}
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            for where, made in _leaves(inner):
                yield f"[{index}]{where}", [*value[:index], made, *value[index + 1 :]]
    elif isinstance(value, str):
        yield "", ALL_AT_ONCE
