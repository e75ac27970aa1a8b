"""Whatever is stored, it is explained or refused."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any

import pytest

from queue_core.errors import TaskyardError
from queue_core.explain import explain, explain_queue
from queue_core.inspector import Inspector
from tests.engine import PLACES
from tests.explain.causes import completed_after_a_failure
from tests.explain.harness import Yard

NONSENSE = [b"\xff\xfe\x00{no} %s", b'closed {"at": 1e300, "by": "\x1b[2J"}']


@pytest.mark.parametrize("nonsense", NONSENSE)
def test_whatever_is_stored_is_explained_or_refused(nonsense: Any, yard: Yard, inspector: Inspector) -> None:
    ids = [completed_after_a_failure(yard), *(yard.seed(place) for place in PLACES)]
    yard.put_worker()
    for key in sorted(yard.redis.keys("test:*")):
        kind, saved = yard.redis.type(key), yard.redis.dump(key)
        if kind == b"hash":
            yard.redis.hset(key, mapping=dict.fromkeys(yard.redis.hkeys(key), nonsense))
        elif kind == b"list":
            yard.redis.lset(key, 0, nonsense)
        elif kind == b"zset":
            yard.redis.zadd(key, {nonsense: 1e300, b"lane/" + nonsense: -1e300})
        elif kind == b"string":
            yard.redis.set(key, nonsense)
        for task_id in ids:
            with suppress(TaskyardError):
                json.dumps(explain(inspector, task_id).facts)
        with suppress(TaskyardError):
            json.dumps([found.facts for found in explain_queue(inspector, "email")])
        yard.redis.restore(key, 0, saved, replace=True)
