"""Attempts to sign in are limited: by name and address, by address, and by name, whoever tries.

Counted in this process (`taskyard console` is one; behind several, each counts for itself), and wrong ones only. The
limit of one name from one address is the narrow one, so that nobody can keep a person out from elsewhere.
"""

from __future__ import annotations

import ipaddress

from dashboard.allowance import Allowance

SECONDS = 300
BOTH, ADDRESS, NAME = 5, 30, 100
"""Wrong ones in that time: of a name from an address, from an address, of a name from anywhere."""


class Attempts:
    def __init__(self) -> None:
        self._both = Allowance(BOTH, SECONDS)
        self._address = Allowance(ADDRESS, SECONDS)
        self._name = Allowance(NAME, SECONDS)

    def begin(self, name: str, address: str, now: float) -> float:
        """One more, counted before it is looked at, or several at once would pass. 0, or how many seconds to wait."""
        network = network_of(address)
        taken: list[tuple[Allowance, object]] = []
        for allowance, key in ((self._address, network), (self._both, (name, network)), (self._name, name)):
            wait = allowance.take(key, now)
            if wait:
                for earlier, earlier_key in taken:
                    earlier.give_back(earlier_key)
                return wait
            taken.append((allowance, key))
        return 0.0

    def was_right(self, name: str, address: str) -> None:
        network = network_of(address)
        self._address.give_back(network)
        self._name.give_back(name)
        self._both.give_back((name, network), all_of_it=True)


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
