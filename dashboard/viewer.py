"""How the one who looks wants to see times, colours, rows: cookies, so that it holds without JavaScript or flicker."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, tzinfo
from zoneinfo import ZoneInfo

TIME_MODES = ("relative", "local", "utc")
THEMES = ("auto", "light", "dark")
DENSITIES = ("normal", "compact")

TIME_COOKIE = "taskyard_time"
ZONE_COOKIE = "taskyard_zone"
THEME_COOKIE = "taskyard_theme"
KEYS_COOKIE = "taskyard_keys"
DENSITY_COOKIE = "taskyard_density"
SEEN_COOKIE = "taskyard_seen"
"""The server's time of this browser's last action: no older snapshot is shown to it."""


@dataclass(frozen=True, slots=True)
class Viewer:
    """`zone` is the browser's own; absolute times are in it except in the mode `utc`."""

    time_mode: str = "relative"
    zone_name: str = "UTC"
    local_zone: tzinfo = UTC
    theme: str = "auto"
    has_keys: bool = True
    is_compact: bool = False
    seen_ms: int = 0

    @classmethod
    def read(cls, cookies: Mapping[str, str]) -> Viewer:
        """Cookies come from outside: what makes no sense is the default."""
        mode = cookies.get(TIME_COOKIE, "")
        theme = cookies.get(THEME_COOKIE, "")
        name, zone = _zone(cookies.get(ZONE_COOKIE, ""))
        seen = cookies.get(SEEN_COOKIE, "")
        return cls(
            time_mode=mode if mode in TIME_MODES else "relative",
            zone_name=name,
            local_zone=zone,
            theme=theme if theme in THEMES else "auto",
            has_keys=cookies.get(KEYS_COOKIE) != "off",
            is_compact=cookies.get(DENSITY_COOKIE) == "compact",
            seen_ms=int(seen) if seen.isascii() and seen.isdigit() and len(seen) <= 15 else 0,
        )

    @property
    def zone(self) -> tzinfo:
        return UTC if self.time_mode == "utc" else self.local_zone

    @property
    def zone_label(self) -> str:
        return "UTC" if self.time_mode == "utc" else self.zone_name


def _zone(name: str) -> tuple[str, tzinfo]:
    if not name or len(name) > 64 or name == "UTC":
        return "UTC", UTC
    try:
        return name, ZoneInfo(name)
    except (LookupError, ValueError, OSError):
        return "UTC", UTC
