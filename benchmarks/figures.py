"""A measured figure beside its budget."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Figure:
    """`budget`: the most that `value` may be, or with `is_least` the least; `None`: it is told, not judged."""

    name: str
    value: float
    unit: str
    budget: float | None = None
    is_least: bool = False
    note: str = ""

    @property
    def is_kept(self) -> bool:
        if self.budget is None:
            return True
        return self.value >= self.budget if self.is_least else self.value <= self.budget

    def __str__(self) -> str:
        budget = ""
        if self.budget is not None:
            sign, verdict = "≥" if self.is_least else "≤", "kept" if self.is_kept else "MISSED"
            budget = f"  {verdict}: {sign} {_number(self.budget)}"
        note = f"  ({self.note})" if self.note else ""
        return f"{self.name:58} {_number(self.value):>9} {self.unit}{budget}{note}"


def _number(value: float) -> str:
    if value >= 1_000:
        return f"{value:,.0f}"
    return f"{value:.0f}" if value == int(value) else f"{value:.2f}" if value < 10 else f"{value:.1f}"
