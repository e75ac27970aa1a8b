"""Texts that look like a secret, whatever stands beside them: tokens of known forms, passwords in addresses. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class _Shape:
    """A known form of a secret: what stands before it and may be seen, how it begins, what it consists of, and how much
    of that makes it one. `hint`: what stands in every text that has one, in small letters."""

    hint: str
    before: str
    begins: str
    goes_on: str
    least: int
    ends: str = ""

    def pattern(self, *, is_cut: bool) -> re.Pattern[str]:
        """`is_cut`: where the text ends in the midst of one, less is enough."""
        forms = [f"{self.begins}{self.goes_on}{{{self.least},}}{self.ends}"]
        if is_cut:
            forms.append(rf"{self.begins}{self.goes_on}*…?\Z")
        return re.compile(f"(?P<before>{self.before})(?:{'|'.join(forms)})")


_SHAPES = (
    _Shape("://", r"://[^\s/:@\"']*:", "", r"[^\s/\"']", 1, "@"),
    _Shape("://", "://", "", r"[^\s/:@\"']", 20, "@"),
    _Shape("bearer", r"(?i:\bbearer)\s{1,9}", "", r"[^\s\"',;\\]", 1),
    _Shape("basic", r"(?i:\bbasic)\s{1,9}(?=[A-Za-z0-9+/]{0,80}[0-9=A-Z])", "", r"[A-Za-z0-9+/=]", 6),
    _Shape("private key-----", r"-----BEGIN [A-Z ]{0,40}PRIVATE KEY-----", "", r"(?:(?!-----END)[\s\S])", 1),
    _Shape("hooks.slack.com/", r"hooks\.slack\.com/services/", "", r"[\w/]", 8),
    _Shape("signature=", r"(?i:[?&;]x-(?:amz|goog)-signature=)", "", r"[^\s&\"'<>\\]", 8),
    _Shape("sig=", r"[?&;]sig=", "", r"[^\s&\"'<>\\]", 8),
    *(
        _Shape(hint, "", begins, goes_on, least)
        for hint, begins, goes_on, least in (
            ("akia", r"\bAKIA", r"[A-Z0-9]", 12),
            ("asia", r"\bASIA", r"[A-Z0-9]", 12),
            ("gh", r"\bgh[pousr]_", r"[A-Za-z0-9]", 16),
            ("github_pat_", r"\bgithub_pat_", r"\w", 16),
            ("glpat-", r"\bglpat-", r"[\w-]", 16),
            ("k_live_", r"\b[prs]k_live_", r"\w", 8),
            ("k_test_", r"\b[prs]k_test_", r"\w", 8),
            ("whsec_", r"\bwhsec_", r"[\w+/=]", 8),
            ("sk-", r"\bsk-", r"[\w-]", 20),
            ("xox", r"\bxox[abeoprs]-", r"[\w-]", 10),
            ("aiza", r"\bAIza", r"[\w-]", 30),
            ("ya29.", r"\bya29\.", r"[\w-]", 16),
            ("npm_", r"\bnpm_", r"[A-Za-z0-9]", 30),
            ("pypi-", r"\bpypi-", r"[\w-]", 16),
            ("sg.", r"\bSG\.", r"[\w.-]", 32),
            ("eyj", r"\beyJ", r"[\w.-]", 12),
            ("taskyard_", r"\btaskyard_", r"[\w-]", 20),
        )
    ),
)
Pattern = tuple[str, re.Pattern[str]]
WHOLE: tuple[Pattern, ...] = tuple((shape.hint, shape.pattern(is_cut=False)) for shape in _SHAPES)
CUT: tuple[Pattern, ...] = tuple((shape.hint, shape.pattern(is_cut=True)) for shape in _SHAPES)
