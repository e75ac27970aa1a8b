"""Attempts to sign in are limited: by name and address, by address, and by name, whoever tries.

Wrong ones count, in this process and in Redis for all consoles together; while Redis is away each counts for itself.
The limit of one name from one address is the narrow one, so that nobody can keep a person out from elsewhere. What this
process refuses is not written to Redis, and passwords are checked slowly: nobody can fill it so.
"""

from __future__ import annotations

import ipaddress
import logging
import secrets
from typing import TYPE_CHECKING

from dashboard.allowance import Allowance
from queue_core.errors import TaskyardError

if TYPE_CHECKING:
    from queue_core.consoles import Consoles

log = logging.getLogger(__name__)

SECONDS = 300
BOTH, ADDRESS, NAME = 5, 30, 100
"""Wrong ones in that time: of a name from an address, from an address, of a name from anywhere."""


class Attempts:
    """`consoles`: where the others' are counted, too."""

    def __init__(self, consoles: Consoles) -> None:
        self._consoles = consoles
        self._both = Allowance(BOTH, SECONDS)
        self._address = Allowance(ADDRESS, SECONDS)
        self._name = Allowance(NAME, SECONDS)

    def begin(self, name: str, address: str, now: float, attempt: str = "") -> float:
        """One more, counted before it is looked at, or several at once would pass. 0, or how many seconds to wait.
        `attempt`: its id, by which `was_right` gives it back."""
        network = network_of(address)
        taken: list[tuple[Allowance, object]] = []
        for allowance, key in ((self._address, network), (self._both, (name, network)), (self._name, name)):
            wait = allowance.take(key, now)
            if wait:
                break
            taken.append((allowance, key))
        else:
            wait = self._begin_everywhere(name, network, attempt or secrets.token_hex(8))
        if wait:
            for earlier, earlier_key in taken:
                earlier.give_back(earlier_key)
        return wait

    def was_right(self, name: str, address: str, attempt: str = "") -> None:
        network = network_of(address)
        self._address.give_back(network)
        self._name.give_back(name)
        self._both.give_back((name, network), all_of_it=True)
        of_address, of_both, of_name = _keys(name, network)
        try:
            self._consoles.give_back((of_address, of_name), attempt, all_of=of_both)
        except TaskyardError as error:
            log.warning("an attempt to sign in stays counted: %s", error)

    def _begin_everywhere(self, name: str, network: str, attempt: str) -> float:
        most = dict(zip(_keys(name, network), (ADDRESS, BOTH, NAME), strict=True))
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
