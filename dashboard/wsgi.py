"""For other WSGI servers: `gunicorn --worker-class gthread dashboard.wsgi:app`. Settings come from the environment."""

from __future__ import annotations

import atexit
import os

from dashboard import ConsoleSettings, create_app, tender_of

app = create_app(ConsoleSettings.from_env())

# Where the server loads this before it forks, each process that it forks has a thread of its own.
tender_of(app).start()
os.register_at_fork(after_in_child=tender_of(app).start)
atexit.register(tender_of(app).stop)
