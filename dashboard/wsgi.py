"""For other WSGI servers: `gunicorn --worker-class gthread dashboard.wsgi:app`. Settings come from the environment."""

from __future__ import annotations

from dashboard import ConsoleSettings, create_app

app = create_app(ConsoleSettings.from_env())
