"""`taskyard worker`."""

from __future__ import annotations

import click

from queue_core import settings as defaults


@click.command("worker")
@click.argument("app", metavar="MODULE:YARD")
@click.option("--queues", help="Such as email=3,images: names with weights.  [default: those of the yard's tasks]")
@click.option("--processes", type=int, default=1, show_default=True, help="How many processes run tasks.")
@click.option("--concurrency", type=int, default=16, show_default=True, help="Tasks that run at once in each process.")
@click.option(
    "--lease-seconds",
    type=float,
    default=defaults.LEASE_SECONDS,
    show_default=True,
    help="After so long without a sign of life, others take over its tasks.",
)
@click.option(
    "--grace-seconds",
    type=float,
    default=defaults.GRACE_SECONDS,
    show_default=True,
    help="What running tasks get to finish when it stops or replaces their process.",
)
@click.option("--max-tasks", type=int, help="A process that has run about so many tasks is replaced.")
@click.option("--max-memory", metavar="SIZE", help="Such as 500M: a process that has grown beyond it is replaced.")
@click.option("--burst", is_flag=True, help="End when the queues are empty; what is due later is left alone.")
@click.option("--reload", is_flag=True, help="For development: replace the processes when a file of yours changes.")
@click.option("--allow-eviction", is_flag=True, help="Work even if the server may throw tasks away when it is full.")
@click.option("--name", help="What it is called in the console, in place of its host.")
@click.option(
    "--log-level",
    type=click.Choice(["debug", "info", "warning", "error"], case_sensitive=False),
    default="info",
    show_default=True,
    help="How much it says on standard error.",
)
def command(
    app: str,
    queues: str | None,
    processes: int,
    concurrency: int,
    lease_seconds: float,
    grace_seconds: float,
    max_tasks: int | None,
    max_memory: str | None,
    burst: bool,
    reload: bool,
    allow_eviction: bool,
    name: str | None,
    log_level: str,
) -> int:
    """Run the tasks of an application.

    MODULE:YARD is where the application has its Taskyard; modules are looked for in the working directory first.
    SIGTERM and Ctrl-C stop it when the running tasks have finished; a second time, at once. SIGTSTP keeps it from
    taking new tasks until SIGCONT. SIGHUP replaces its processes, one after another, by such that load the
    application anew; where that cannot be loaded the old ones go on.

    \b
    Examples:
      taskyard worker shop.tasks:yard
      taskyard worker shop.tasks:yard --queues email=3,images --concurrency 32
      taskyard worker shop.tasks:yard --reload
      taskyard worker shop.tasks:yard --queues nightly --burst
      taskyard worker shop.tasks:yard --processes 4 --max-tasks 100000 --max-memory 500M
    """
    from queue_core.worker.settings import WorkerSettings, parse_memory, parse_queues
    from queue_core.worker.supervisor import run_worker

    settings = WorkerSettings(
        app=app,
        queues={} if queues is None else parse_queues(queues),
        processes=processes,
        concurrency=concurrency,
        lease_seconds=lease_seconds,
        grace_seconds=grace_seconds,
        max_tasks=max_tasks,
        max_memory=None if max_memory is None else parse_memory(max_memory),
        burst=burst,
        reload=reload,
        allow_eviction=allow_eviction,
        name=name,
    )
    return run_worker(settings, log_level.upper())
