"""Opens the console in a browser, where that helps: never in CI, over SSH or without a display."""

from __future__ import annotations

import sys
import threading
import webbrowser
from collections.abc import Mapping


def may_open(environ: Mapping[str, str], platform: str = sys.platform) -> bool:
    if any(environ.get(name) for name in ("CI", "SSH_CONNECTION", "SSH_CLIENT", "SSH_TTY")):
        return False
    return platform == "darwin" or any(environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY"))


def open_browser(url: str) -> None:
    """In the background: some browsers keep their caller waiting."""
    threading.Thread(target=_open, args=(url,), name="browser", daemon=True).start()


def _open(url: str) -> None:
    try:
        browser = webbrowser.get()
        if type(browser) is not webbrowser.GenericBrowser:  # such as w3m, which would take over this terminal
            browser.open(url)
    except webbrowser.Error:
        return
