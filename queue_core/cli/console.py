"""`taskyard console`."""

from __future__ import annotations

import os
from dataclasses import replace

import click

from queue_core.cli.options import namespace_option, url_option
from queue_core.connection import check_eviction_policy
from queue_core.demo.ports import USUAL_PORT, check_port
from queue_core.errors import ConfigurationError, ServerUnavailable
from queue_core.inspector import Inspector
from queue_core.settings import mask_url, namespace, redis_url


@click.command("console")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", type=click.IntRange(1, 65535), default=USUAL_PORT, show_default=True, help="Port to listen on.")
@click.option("--no-login", is_flag=True, help="Let in whoever reaches it, also from other machines.")
@click.option("--allow-eviction", is_flag=True, help="Serve although Redis throws tasks away when it is full.")
@url_option
@namespace_option
def command(host: str, port: int, no_login: bool, allow_eviction: bool, url: str | None, name: str | None) -> None:
    """Serve the operations console.

    What fails, what waits, who works, and the buttons to do something about it.

    \b
    Examples:
      taskyard console
      taskyard console --port 9000 --redis-url redis://cache:6379/0
      taskyard console --host 0.0.0.0 --no-login        behind a proxy that decides who gets in
    """
    try:
        from dashboard.server import check_address, serve
        from dashboard.settings import ConsoleSettings
    except ModuleNotFoundError as error:
        package = (error.name or "").partition(".")[0]
        if package in ("dashboard", "queue_core"):
            raise
        raise ConfigurationError(
            f"the console's packages are missing ({package}): pip install 'taskyard[console]'"
        ) from error

    settings = replace(
        ConsoleSettings.from_env(os.environ, no_login=no_login), redis_url=redis_url(url), namespace=namespace(name)
    )
    check_address(settings, host)
    check_port(port, host)
    _check_server(settings.redis_url, settings.namespace, allow_eviction)
    shown = f"[{host}]" if ":" in host else host
    where = f"Redis {mask_url(settings.redis_url)}, namespace {settings.namespace}"
    serve(
        settings,
        host,
        port,
        on_ready=lambda: click.echo(f"Console on http://{shown}:{port} ({where}). Ctrl-C ends it.", err=True),
    )


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
