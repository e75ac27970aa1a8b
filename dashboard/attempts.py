"""Attempts to sign in are limited: by name and address, by address, and by name, whoever tries.

Wrong ones count, in this process and in Redis for all consoles together; while Redis is away each counts for itself.
The limit of one name from one address is the narrow one. That of a name from anywhere can be used up by whoever has
many addresses: it does not hold where its person signed in of late, as far as this process knows, so that nobody can
keep her out there. At an address that is new to it she waits, or guessing would have no limit. What this process
refuses is not written to Redis, and passwords are checked slowly: nobody can fill it so.
"""

from __future__ import annotations

import ipaddress
import logging
import math
import secrets
import threading
from collections import OrderedDict
from typing import TYPE_CHECKING

from dashboard.allowance import Allowance
from queue_core.errors import TaskyardError

if TYPE_CHECKING:
    from queue_core.consoles import Consoles

log = logging.getLogger(__name__)

SECONDS = 300
BOTH, ADDRESS, NAME = 5, 30, 100
"""Wrong ones in that time: of a name from an address, from an address, of a name from anywhere."""

KNOWN_SECONDS = 30 * 24 * 3600
MOST_KNOWN = 10_000
"""Names at addresses; the one that signed in longest ago makes room."""


class Attempts:
    """`consoles`: where the others' are counted, too."""

    def __init__(self, consoles: Consoles) -> None:
        self._consoles = consoles
        self._lock = threading.Lock()
        self._both = Allowance(BOTH, SECONDS)
        self._address = Allowance(ADDRESS, SECONDS)
        self._name = Allowance(NAME, SECONDS)
        self._known: OrderedDict[tuple[str, str], float] = OrderedDict()
        """Name and network → when somebody signed in so."""

    def begin(self, name: str, address: str, now: float, attempt: str = "") -> float:
        """One more, counted before it is looked at, or several at once would pass. 0, or how many seconds to wait.
        `attempt`: its id, by which `was_right` gives it back."""
        network = network_of(address)
        is_known = 0 <= now - self._known.get((name, network), -math.inf) < KNOWN_SECONDS
        limits: list[tuple[Allowance, object]] = [(self._address, network), (self._both, (name, network))]
        if not is_known:
            limits.append((self._name, name))
        taken: list[tuple[Allowance, object]] = []
        for allowance, key in limits:
            wait = allowance.take(key, now)
            if wait:
                break
            taken.append((allowance, key))
        else:
            keys = _keys(name, network)[: len(limits)]
            wait = self._begin_everywhere(keys, attempt or secrets.token_hex(8))
        if wait:
            for earlier, earlier_key in taken:
                earlier.give_back(earlier_key)
        return wait

    def was_right(self, name: str, address: str, now: float, attempt: str = "") -> None:
        with self._lock:
            self._known[name, network_of(address)] = now
            self._known.move_to_end((name, network_of(address)))
            while len(self._known) > MOST_KNOWN:
                self._known.popitem(last=False)
        self.give_back(name, address, attempt, was_right=True)

    def give_back(self, name: str, address: str, attempt: str = "", *, was_right: bool = False) -> None:
        """It does not count. `was_right`: nor do the wrong ones of that name from there."""
        network = network_of(address)
        self._address.give_back(network)
        self._name.give_back(name)
        self._both.give_back((name, network), all_of_it=was_right)
        of_address, of_both, of_name = _keys(name, network)
        given = (of_address, of_name) if was_right else (of_address, of_both, of_name)
        try:
            self._consoles.give_back(given, attempt, all_of=of_both if was_right else None)
        except TaskyardError as error:
            log.warning("an attempt to sign in stays counted: %s", error)

    def _begin_everywhere(self, keys: tuple[str, ...], attempt: str) -> float:
        most = dict(zip(keys, (ADDRESS, BOTH, NAME), strict=False))
        try:
            return self._consoles.try_once(most, SECONDS, attempt)
        except TaskyardError as error:
            log.warning("an attempt to sign in is counted by this console alone: %s", error)
            return 0.0


def _keys(name: str, network: str) -> tuple[str, str, str]:
    """Of the address, of both, of the name."""
    return f"address {network}", f"both {network}\n{name}", f"name {name}"


def network_of(address: str) -> str:
    """Whoever has one IPv6 address has the other 2⁶⁴ of its network, too."""
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return address
    if isinstance(found, ipaddress.IPv6Address):
        if found.ipv4_mapped:
            return str(found.ipv4_mapped)
        return str(ipaddress.IPv6Network((int(found) >> 64 << 64, 64)))
    return str(found)
