"""The examples run as they stand."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from queue_core import Taskyard

ROOT = Path(__file__).parent.parent
EXAMPLES = ROOT / "examples"


def run(name: str, redis_url: str) -> str:
    """What the example prints."""
    return subprocess.run(
        [sys.executable, str(EXAMPLES / name)],
        env={**os.environ, "TASKYARD_REDIS_URL": redis_url},
        capture_output=True,
        text=True,
        check=True,
        timeout=20,
    ).stdout


def test_examples_enqueue_and_consume(redis_url: str) -> None:
    yard = Taskyard(redis_url)
    assert run("shop.py", redis_url) == "100 sums and 4 e-mails are in the queues\n"
    assert yard.inspector.queue("email").counts.ready == 3
    assert yard.inspector.queue("email").counts.scheduled == 1
    assert run("by_hand.py", redis_url).count("attempt 1\n") == 100
    assert yard.inspector.queue("reports").books.completed == 100
    assert run("from_asyncio.py", redis_url).startswith("enqueued: ")
    assert yard.inspector.queue("email").counts.ready == 13
    assert all(queue.is_balanced for queue in yard.inspector.snapshot().queues)
    yard.close()


@pytest.mark.parametrize("page", ["tasks", "schedules"])
def test_programs_of_a_page_run_as_they_stand(tmp_path: Path, redis_url: str, page: str) -> None:
    text = (ROOT / f"docs/{page}.md").read_text()
    programs = dict(re.findall(r"```python\n# (\S+\.py)\n(.+?)```", text, re.DOTALL))
    assert programs
    for name, text in programs.items():
        (tmp_path / name).write_text(text)
        environ = {**os.environ, "TASKYARD_REDIS_URL": redis_url, "PYTHONPATH": str(ROOT)}
        ran = subprocess.run(
            [sys.executable, name], cwd=tmp_path, env=environ, capture_output=True, text=True, timeout=20
        )
        assert ran.returncode == 0, ran.stderr
