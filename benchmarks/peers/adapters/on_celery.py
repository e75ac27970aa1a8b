"""Celery: acks late, results ignored, 4 threads (100 for tasks that sleep), prefetch multiplier 64; no gossip, mingle,
heartbeat or remote control."""

import time
from collections.abc import Iterator

import shape
from celery import Celery
from marks import arrive, begin, end

app = Celery("on_celery", broker=shape.URL)
app.conf.update(
    task_acks_late=True,
    task_ignore_result=True,
    worker_prefetch_multiplier=64,
    worker_enable_remote_control=False,
    worker_send_task_events=False,
)


@app.task(name="noop")
def noop(number: int) -> None:
    begin()
    end()


@app.task(name="sleep")
def sleep(number: int) -> None:
    begin()
    time.sleep(shape.SLEEP_SECONDS)
    end()


@app.task(name="probe")
def probe(sent_ns: int) -> None:
    arrive(sent_ns)


def enqueue(kind: str, arguments: Iterator[int]) -> None:
    task = {"noop": noop, "sleep": sleep, "probe": probe}[kind]
    for argument in arguments:
        task.delay(argument)


def worker() -> list[str]:
    threads = shape.SLOTS if shape.KIND == "sleep" else 4
    return [
        *(shape.beside_python("celery"), "-A", "on_celery:app", "worker", "-P", "threads", "-c", str(threads)),
        *(
            "--without-gossip",
            "--without-mingle",
            "--without-heartbeat",
            "--loglevel",
            "ERROR",
            "-n",
            f"{time.time_ns()}@bench",
        ),
    ]
