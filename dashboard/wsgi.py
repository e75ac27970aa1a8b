"""For other WSGI servers: `gunicorn --worker-class gthread dashboard.wsgi:app`. Settings come from the environment.

Nobody knows where such a server listens, so it starts only with users, a trusted proxy, or `TASKYARD_NO_LOGIN=1`.
"""

from __future__ import annotations

import atexit
import gc
import os

from dashboard import ConsoleSettings, create_app, tender_of
from dashboard.server import check_access

_settings = ConsoleSettings.from_env()
check_access(_settings, None)
app = create_app(_settings)
gc.freeze()  # as in `server`

# Where the server loads this before it forks, each process that it forks has a thread of its own.
tender_of(app).start()
os.register_at_fork(after_in_child=tender_of(app).start)
atexit.register(tender_of(app).stop)
