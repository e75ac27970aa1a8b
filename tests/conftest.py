"""The server and the browser that tests use.

Both are started once. What is not installed is skipped with its reason on a laptop and fails where CI=true.
"""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NoReturn

import pytest
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, sync_playwright
from redis import Redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from queue_core.control import Control
from queue_core.embedded import EmbeddedServer, find_bundled_binary
from queue_core.inspector import Inspector
from queue_core.operations import Operations
from tests.engine import Engine

BROWSER_FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
]
REPORT_CSP_VIOLATIONS = """
document.addEventListener("securitypolicyviolation", event =>
    console.error(`CSP violation: ${event.effectiveDirective} ${event.blockedURI}`));
"""

ONE_BY_ONE = re.compile("tests/acceptance/(?!test_demo)|tests/proof/test_mutants")
"""Files whose tests share nothing: each test runs in whichever process is free."""


def missing(what: str) -> NoReturn:
    """Skip the test for want of `what`; in CI, fail it."""
    if os.environ.get("CI") == "true":
        pytest.fail(f"{what}: in CI no test may be skipped")
    pytest.skip(what)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if metafunc.definition.get_closest_marker("each_server") is not None:
        metafunc.parametrize("server", ["valkey", "redis"], indirect=True)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files that compute and files that wait in turn, then tests that are given out one by one, then the browser's; of
    these, those first that are given more time than others, so that no long one is the last."""

    def place(item: pytest.Item) -> tuple[bool, bool, float, int]:
        # Playwright keeps an event loop running in this thread, in which asyncio.run() then refuses to work.
        needs_browser = item.get_closest_marker("browser") is not None
        file = item.nodeid.partition("::")[0]
        is_one_by_one = bool(ONE_BY_ONE.match(file))
        time_limit = item.get_closest_marker("timeout")
        seconds = time_limit.args[0] if time_limit and is_one_by_one else 0
        return needs_browser, is_one_by_one, -seconds, zlib.crc32(file.encode())

    items.sort(key=place)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """One more than there are cores: tests of processes wait as much as they compute."""
    return (os.cpu_count() or 1) + 1


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """A file runs in one process, so that it can share what it starts; `ONE_BY_ONE` fill what is left at the end."""
    from xdist.scheduler import LoadScopeScheduling

    class Scheduling(LoadScopeScheduling):  # type: ignore[misc]
        def _split_scope(self, nodeid: str) -> str:
            file = nodeid.partition("::")[0]
            return nodeid if ONE_BY_ONE.match(file) else file

    return Scheduling(config, log) if config.getvalue("dist") == "loadfile" else None


# Servers


@pytest.fixture(scope="session")
def servers() -> Iterator[Callable[[str], EmbeddedServer]]:
    """Starts each kind of server when it is first asked for: "valkey" is the bundled one, "redis" Debian's."""
    running: dict[str, EmbeddedServer] = {}

    def find(kind: str) -> EmbeddedServer:
        if kind not in running:
            binary = find_bundled_binary() if kind == "valkey" else shutil.which("redis-server")
            if binary is None:
                missing(f"no {kind}-server here")
            running[kind] = EmbeddedServer(binary=binary)
            running[kind].start()
        if not running[kind].pid:
            running[kind].restart()
        return running[kind]

    yield find
    for server in running.values():
        server.stop()


@pytest.fixture
def server(request: pytest.FixtureRequest, servers: Callable[[str], EmbeddedServer]) -> EmbeddedServer:
    """A running server, shared by all tests: the bundled Valkey; in turn each one in tests marked `each_server`.

    A test that kills its server starts one of its own.
    """
    return servers(getattr(request, "param", "valkey"))


@pytest.fixture
def redis_url(server: EmbeddedServer) -> str:
    """The address of an empty database."""
    with Redis.from_url(server.url) as client:
        client.config_set("maxmemory", 0, "maxmemory-policy", "noeviction")
        client.flushall()
    return server.url


@pytest.fixture
def redis_client(redis_url: str) -> Iterator[Redis]:
    """A plain client of the empty database, for seeding and reading back; it gives bytes and never resends."""
    with Redis.from_url(redis_url, retry=Retry(NoBackoff(), 0)) as client:
        yield client


@pytest.fixture
def namespace() -> str:
    """Not the default, so that a key spelled by hand shows."""
    return "test"


@pytest.fixture
def engine(redis_url: str, namespace: str) -> Iterator[Engine]:
    """Calls on an empty database."""
    engine = Engine(redis_url, namespace)
    yield engine
    engine.close()


@pytest.fixture
def images(engine: Engine) -> Iterator[Engine]:
    """The queue that tasks move to."""
    images = Engine(engine.url, engine.client.namespace, "images")
    yield images
    images.close()


@pytest.fixture
def inspector(engine: Engine) -> Inspector:
    return Inspector(client=engine.client)


@pytest.fixture
def control(engine: Engine) -> Control:
    return Control(client=engine.client)


@pytest.fixture
def operations(engine: Engine) -> Operations:
    return Operations(client=engine.client)


# Browser


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Headless Chromium."""
    programs = ("chromium", "chromium-browser", "google-chrome")
    executable = next((found for name in programs if (found := shutil.which(name))), None)
    if executable is None:
        missing("no chromium here")
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=executable, args=BROWSER_FLAGS)
        yield chromium
        chromium.close()


class PageFaults:
    """What went wrong in the pages of a test: console errors, uncaught exceptions, violations of the CSP."""

    def __init__(self) -> None:
        self._seen: list[str] = []
        self._allowed: list[str] = []

    def allow(self, pattern: str) -> None:
        """Accept faults in which this regular expression is found, such as `"status of 409"`."""
        self._allowed.append(pattern)

    def unexpected(self) -> list[str]:
        return [fault for fault in self._seen if not any(re.search(pattern, fault) for pattern in self._allowed)]

    def watch(self, context: BrowserContext) -> None:
        context.add_init_script(REPORT_CSP_VIOLATIONS)
        context.on("console", self._on_console)
        context.on("weberror", lambda error: self._seen.append(f"uncaught: {error.error}"))

    def _on_console(self, message: ConsoleMessage) -> None:
        if message.type == "error":
            self._seen.append(f"console: {message.text} ({message.location.get('url', '')})")


@pytest.fixture
def page_faults() -> Iterator[PageFaults]:
    """Fails the test at its end if a page had faults that it did not allow."""
    faults = PageFaults()
    yield faults
    assert faults.unexpected() == []


@pytest.fixture
def new_page(browser: Browser, page_faults: PageFaults) -> Iterator[Callable[..., Page]]:
    """Opens pages, each in a context of its own; takes Playwright's options, such as `java_script_enabled=False`."""
    contexts: list[BrowserContext] = []

    def open_page(**options: Any) -> Page:
        context = browser.new_context(**{"viewport": {"width": 1280, "height": 800}, **options})
        context.set_default_timeout(10_000)
        page_faults.watch(context)
        contexts.append(context)
        return context.new_page()

    yield open_page
    for context in contexts:
        context.close()


@pytest.fixture
def page(new_page: Callable[..., Page]) -> Page:
    """One page of 1280 × 800."""
    return new_page()


@pytest.fixture(scope="session")
def axe() -> Callable[[Page], list[str]]:
    """Runs axe-core in a page (with JavaScript) and returns its violations, a line each."""
    spec = importlib.util.find_spec("axe_playwright_python")
    if spec is None or spec.origin is None:
        missing("no axe-core here")
    source = next(Path(spec.origin).parent.rglob("axe.min.js")).read_text(encoding="utf-8")

    def run(page: Page) -> list[str]:
        if not page.evaluate("'axe' in window"):
            page.evaluate(source)
        # Of what is in order it tells nothing, which is half of its work.
        violations = page.evaluate("axe.run({resultTypes: ['violations']}).then(result => result.violations)")
        return [
            f"{violation['id']}: {node['target']} {node['failureSummary']}"
            for violation in violations
            for node in violation["nodes"]
        ]

    return run
