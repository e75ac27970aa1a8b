"""`taskyard console`: it serves; its subcommands look after those who may use it."""

from __future__ import annotations

import gc
import os
from dataclasses import replace

import click

from queue_core.cli.access import COMMANDS, console_packages, users_file_option
from queue_core.cli.options import namespace_option, url_option
from queue_core.connection import check_eviction_policy
from queue_core.demo.ports import USUAL_PORT, check_port
from queue_core.errors import InvalidArgument, ServerUnavailable
from queue_core.inspector import Inspector
from queue_core.settings import mask_url, namespace, redis_url


class Console(click.Group):
    """Lists its subcommands in the order in which one needs them."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.commands)


@click.group("console", cls=Console, invoke_without_command=True, subcommand_metavar="[COMMAND]")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", type=click.IntRange(1, 65535), default=USUAL_PORT, show_default=True, help="Port to listen on.")
@click.option(
    "--metrics-port",
    type=click.IntRange(1, 65535),
    help="Port for /metrics, /healthz and /readyz alone, without a token.",
)
@users_file_option
@click.option("--no-login", is_flag=True, help="Let in whoever reaches it, also from other machines.")
@click.option("--allow-eviction", is_flag=True, help="Serve although Redis throws tasks away when it is full.")
@url_option
@namespace_option
@click.pass_context
def command(
    ctx: click.Context,
    host: str,
    port: int,
    metrics_port: int | None,
    users_file: str | None,
    no_login: bool,
    allow_eviction: bool,
    url: str | None,
    name: str | None,
) -> None:
    """Serve the operations console, or, with a COMMAND, say who may use it.

    What fails, what waits, who works, and the buttons to do something about it. On this machine alone anybody may use
    it; elsewhere it starts only with users, or behind a proxy that says who asks.

    \b
    Examples:
      taskyard console
      taskyard console --port 9000 --redis-url redis://cache:6379/0
      taskyard console add-user ada --role admin --users-file /etc/taskyard/users.json
      taskyard console --host 0.0.0.0 --users-file /etc/taskyard/users.json
      taskyard console --host 0.0.0.0 --users-file /etc/taskyard/users.json --metrics-port 9091
      taskyard console --host 0.0.0.0 --no-login        behind something that decides who gets in

    \b
    Deployed:
      behind a proxy with TLS and a path    TASKYARD_HOSTS, TASKYARD_URL_PREFIX, TASKYARD_PROXIES=1
      under a server of your own            gunicorn --worker-class gthread dashboard.wsgi:app
      nginx, systemd, containers            docs/operations.md, deploy/, compose.yaml
    """
    if ctx.invoked_subcommand is not None:
        return
    gc.freeze()  # modules stay: the collector, which runs often while others are made, does not look through them
    with console_packages():
        from dashboard.server import check_access, serve
        from dashboard.settings import ConsoleSettings

    settings = replace(
        ConsoleSettings.from_env(os.environ, no_login=no_login), redis_url=redis_url(url), namespace=namespace(name)
    )
    if users_file is not None:
        settings = replace(settings, users_file=users_file)
    settings = replace(settings, metrics_port=metrics_port or 0)
    check_access(settings, host)
    check_port(port, host)
    if metrics_port is not None:
        if metrics_port == port:
            raise InvalidArgument(f"--metrics-port {port} is not accepted: the console itself is there")
        check_port(metrics_port, host)
    _check_server(settings.redis_url, settings.namespace, allow_eviction)
    shown = f"[{host}]" if ":" in host else host
    where = f"Redis {mask_url(settings.redis_url)}, namespace {settings.namespace}"
    serve(
        settings,
        host,
        port,
        on_ready=lambda: click.echo(f"Console on http://{shown}:{port} ({where}). Ctrl-C ends it.", err=True),
    )


for _subcommand in COMMANDS:
    command.add_command(_subcommand)


def _check_server(url: str, name: str, allow_eviction: bool) -> None:
    """Refuses an address that cannot be one, and a server that throws tasks away. One that does not answer is waited
    for: the console shows it."""
    inspector = Inspector(url, name, patience_seconds=0)
    try:
        policy = inspector.server().eviction_policy
    except ServerUnavailable as error:
        click.echo(f"taskyard console: {error} The console shows when it does.", err=True)
    else:
        if not allow_eviction:
            check_eviction_policy(policy, url)
    finally:
        inspector.close()
