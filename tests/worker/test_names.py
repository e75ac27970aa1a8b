"""A server whose name is not found any more, after its worker had found it: it goes on when the name is known again, at
whatever address. Real processes; only the names are looked up in a file (`names`)."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.worker import notebook
from tests.worker.harness import ROOT, wait_until
from tests.worker.test_outages import MOST_ATTEMPTS, OUTAGE_SECONDS, Scene, check, lost

HOST = "redis.test"
HERE, THERE = "127.0.0.1", "127.0.0.2"
NOWHERE = "127.0.0.3"
"""Nobody listens there: the next address is tried."""


class Names:
    def __init__(self, folder: Path) -> None:
        self._hosts = folder / "hosts"
        os.environ["HOSTS"] = str(self._hosts)
        self.say(f"{HOST} {HERE}")

    def say(self, line: str = "") -> None:
        """In one step: it is read at any time."""
        new = self._hosts.with_suffix(".new")
        new.write_text(f"{line}\n" if line else "")
        new.replace(self._hosts)

    def asked_since(self, at: float) -> int:
        return sum(float(line) > at for line in self._hosts.with_suffix(".asked").read_text().splitlines())


@pytest.fixture(scope="module")
def names(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Names]:
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("PYTHONPATH", f"{Path(__file__).parent / 'names'}{os.pathsep}{ROOT}")
        environment.setenv("HOSTS", "")
        yield Names(tmp_path_factory.mktemp("names"))


@pytest.fixture(scope="module")
def scene(names: Names, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    scene = Scene(tmp_path_factory.mktemp("outages"), host=HOST)
    yield scene
    print(scene.worker.said())
    for name, seconds in scene.back.items():
        print(f"{name:50} went on after {seconds:.2f} s")
    scene.close()


@pytest.mark.parametrize("address", [HERE, THERE], ids=["same address", "another address"])
@pytest.mark.parametrize("line", ["", f"{HOST} -"], ids=["not known", "not answered"])
def test_worker_goes_on_when_the_name_of_its_server_is_known_again(
    scene: Scene, names: Names, line: str, address: str
) -> None:
    def lose_name(scene: Scene) -> Callable[[], None]:
        names.say(line)
        scene.wire.cut()
        return come_back

    def come_back() -> None:
        assert names.asked_since(time.monotonic() - OUTAGE_SECONDS / 2) < MOST_ATTEMPTS * OUTAGE_SECONDS / 2
        scene.wire.move(address)
        scene.wire.mend()
        names.say(f"{HOST} {NOWHERE} {address}")

    lose_name.__name__ = f"{address}, after {line or 'no such name'}"
    what = lose_name.__name__
    works = {f"{what} work {i}": 0.3 + 0.6 * i for i in range(4)}
    notes = [f"{what} note {i}" for i in range(300)]
    for work, seconds in works.items():
        notebook.work.enqueue(work, seconds=seconds)
    wait_until(lambda: {f"{work} began" for work in works} <= set(notebook.read()))
    child = scene.worker.child()
    notebook.yard.enqueue_many(notebook.note.message(note) for note in notes)
    with lost(scene, lose_name):
        pass
    check(scene, child, {*notes, *(f"{work} ended" for work in works)})
