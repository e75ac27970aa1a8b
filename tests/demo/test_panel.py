"""The socket by which the console asks the demo for something."""

from __future__ import annotations

import json
import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from queue_core.demo.panel import REMEMBERED, Panel, Request, Said


class Demo:
    def __init__(self, path: Path) -> None:
        self.done: list[Request] = []
        self.panel = Panel(path, self._act, lambda: {"workers": 2})

    def ask(self, *lines: bytes) -> list[bytes]:
        """One connection for each line, all of them before the demo has a moment for them."""
        connections = []
        for line in lines:
            connections.append(socket.socket(socket.AF_UNIX))
            connections[-1].connect(str(self.panel.path))
            connections[-1].sendall(line)
            connections[-1].shutdown(socket.SHUT_WR)
        self.panel.answer()
        answers = [connection.makefile("rb").read() for connection in connections]
        for connection in connections:
            connection.close()
        return answers

    def _act(self, request: Request) -> Said:
        self.done.append(request)
        return Said("good", f"{request.act} {len(self.done)}")


@pytest.fixture
def demo() -> Iterator[Demo]:
    with tempfile.TemporaryDirectory(prefix="ty-", dir="/tmp") as folder:  # a socket's path may not be long
        demo = Demo(Path(folder) / "panel.sock")
        yield demo
        demo.panel.close()


def request(act: str = "burst", action_id: str = "a", **given: str) -> bytes:
    return json.dumps({"act": act, "action_id": action_id, **given}).encode() + b"\n"


def test_all_who_asked_are_answered_at_once(demo: Demo) -> None:
    first, second, looked = demo.ask(request(by="ada"), request(action_id="b", worker="fast"), request("look"))
    assert json.loads(first) == {"kind": "good", "said": "burst 1", "state": {"workers": 2}}
    assert json.loads(second)["said"] == "burst 2"
    assert json.loads(looked) == {"kind": "good", "said": "", "state": {"workers": 2}}
    assert [(asked.by, asked.worker) for asked in demo.done] == [("ada", ""), ("", "fast")]


def test_same_action_is_done_once_and_answered_the_same(demo: Demo) -> None:
    first, again = demo.ask(request(), request())
    assert first == again
    assert len(demo.done) == 1


def test_what_was_done_is_not_remembered_for_ever(demo: Demo) -> None:
    for number in range(REMEMBERED + 1):
        demo.ask(request(action_id=str(number)))
    demo.ask(request(action_id=str(REMEMBERED)))
    assert len(demo.done) == REMEMBERED + 1
    demo.ask(request(action_id="0"))
    assert len(demo.done) == REMEMBERED + 2


@pytest.mark.parametrize("line", [b"", b"no JSON\n", b"[]\n", b'{"act": "burst", "what": 1}\n', b"{}\n", b"x" * 3000])
def test_whoever_asks_nonsense_gets_no_answer_and_the_next_one_does(demo: Demo, line: bytes) -> None:
    nothing, answer = demo.ask(line, request("look"))
    assert nothing == b""
    assert json.loads(answer)["state"] == {"workers": 2}
    assert demo.done == []
