"""Options that several commands have."""

from __future__ import annotations

import click

url_option = click.option(
    "--redis-url", "url", help="The server.  [default: $TASKYARD_REDIS_URL, else redis://localhost:6379/0]"
)
namespace_option = click.option(
    "--namespace", "name", help="The prefix of all keys.  [default: $TASKYARD_NAMESPACE, else qc]"
)
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON, for programs.")
