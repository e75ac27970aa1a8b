"""For those who test their own tasks: without a server (`inline`), or on a real one with time in the test's hand.

`queue_core.testing.fixtures` has the server and more for pytest: `pytest_plugins = ["queue_core.testing.fixtures"]`.
"""

from queue_core.errors import TooManyTasks
from queue_core.testing.clock import Clock
from queue_core.testing.connecting import connected
from queue_core.testing.draining import drain
from queue_core.testing.inlining import inline
from queue_core.testing.running import InlineHandle, Run

__all__ = ["Clock", "InlineHandle", "Run", "TooManyTasks", "connected", "drain", "inline"]
