"""A consumer of your own: claim a few tasks, settle each. For those who bring their own loop.

python examples/shop.py && python examples/by_hand.py
"""

from __future__ import annotations

from shop import yard


def work() -> int:
    """Settles up to 20 tasks of `reports`; whatever is not settled in the `with` block is given back."""
    settled = 0
    with yard.queue("reports").claim(limit=20, lease_seconds=30) as leases:
        for lease in leases:
            try:
                total = sum(lease.kwargs["numbers"])
                print(f"{lease.name} {lease.id}: {total}, attempt {lease.attempt}")
            except (KeyError, TypeError) as error:
                lease.fail(error)  # runs again later, or is a dead letter when no retry is left
            else:
                lease.complete()
            settled += 1
    return settled


if __name__ == "__main__":
    while work():
        pass
