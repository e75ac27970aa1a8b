"""What tests of the command line share: how one is run, and modules that it may name."""

from __future__ import annotations

from collections.abc import Callable

NOBODY = "redis://127.0.0.1:1/0"
"""Nobody answers there."""

Run = Callable[..., tuple[int, str, str]]
"""Takes the words of a command line, and variables of the environment by name; gives exit code, output, complaints."""

MODULES = {
    "good": "from queue_core import Taskyard\nyard = Taskyard()\n@yard.task\ndef greet(): pass\n",
    "empty": "from queue_core import Taskyard\nyard = Taskyard()\n",
    "other": "from queue_core import Taskyard\nqueue = Taskyard()\n",
    "no_yard": "x = 1\n",
    "broken": "import no_such_module\n",
    "not_python": "def f(:\n",
    "exits": "import sys\nsys.exit(3)\n",
    "two_lines": "raise ValueError('one\\ntwo')\n",
    "bad_address": "from queue_core import Taskyard\nyard = Taskyard('http://cache')\n",
    "twice": (
        "from queue_core import Taskyard\nyard = Taskyard()\n"
        "@yard.task(name='a')\ndef b(): pass\n@yard.task(name='a')\ndef c(): pass\n"
    ),
    "shop": (
        "from queue_core import Taskyard\nyard = Taskyard()\n"
        "@yard.task(queue='email')\ndef send(to: str, copies: int = 1): pass\n"
    ),
}
