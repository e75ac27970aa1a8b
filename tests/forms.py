"""The forms of a page, as a browser without JavaScript sends them: one for each button."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from html.parser import HTMLParser

Attributes = dict[str, str]


@dataclass(frozen=True, slots=True)
class Form:
    """What one button sends. `action`: where to, "" for the page itself."""

    action: str
    method: str
    fields: dict[str, str]


@dataclass(slots=True)
class _Found:
    action: str = ""
    method: str = "get"
    fields: dict[str, str] = field(default_factory=dict)
    buttons: list[Attributes] = field(default_factory=list)


class _Reader(HTMLParser):
    def __init__(self, page: str) -> None:
        super().__init__()
        self.forms: dict[str, _Found] = {}
        self._inside: list[str] = []
        self._area: tuple[_Found, str] | None = None
        self._choice: tuple[_Found, str] | None = None
        self.feed(page)

    def _form(self, name: str) -> _Found:
        return self.forms.setdefault(name, _Found())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given: Attributes = {name: value or "" for name, value in attrs}
        if tag == "form":
            name = given.get("id") or f"form {len(self.forms)}"
            self._inside.append(name)
            form = self._form(name)
            form.action, form.method = given.get("action", ""), given.get("method", "get").lower()
            return
        if tag == "option" and self._choice:
            form, name = self._choice
            if "selected" in given or name not in form.fields:
                form.fields[name] = given.get("value", "")
            return
        owner = given.get("form") or (self._inside[-1] if self._inside else "")
        if not owner or tag not in ("input", "button", "textarea", "select"):
            return
        form = self._form(owner)
        if tag == "button":
            form.buttons.append(given)
        elif tag == "select":
            self._choice = form, given["name"]
        elif tag == "textarea":
            form.fields[given["name"]] = ""
            self._area = form, given["name"]
        elif given.get("type") not in ("checkbox", "radio") or "checked" in given:
            form.fields[given.get("name", "")] = given.get("value", "")

    def handle_data(self, data: str) -> None:
        if self._area:
            form, name = self._area
            form.fields[name] += data

    def handle_endtag(self, tag: str) -> None:
        if tag == "form" and self._inside:
            self._inside.pop()
        if tag == "textarea":
            self._area = None
        if tag == "select":
            self._choice = None


def forms_of(page: str, address: str) -> list[Form]:
    """`address`: of the page, where a form without an action goes."""
    found = []
    for form in _Reader(page).forms.values():
        fields = {name: value for name, value in form.fields.items() if name}
        made = Form(form.action or address, form.method, fields)
        for button in form.buttons or [{}]:
            own = {button["name"]: button.get("value", "")} if button.get("name") else {}
            action = button.get("formaction") or made.action
            found.append(replace(made, action=action, fields={**fields, **own}))
    return found


class _Buttons(HTMLParser):
    def __init__(self, page: str) -> None:
        super().__init__()
        self._methods: dict[str, str] = {}
        self._inside: list[str] = []
        self._open: tuple[str, str] | None = None
        self._said = ""
        self.found: list[tuple[str, str]] = []
        self._owned: list[tuple[str, str]] = []
        self.feed(page)
        self.found += [(self._methods.get(owner, "get"), words) for owner, words in self._owned]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given: Attributes = {name: value or "" for name, value in attrs}
        if tag == "form":
            method = given.get("method", "get").lower()
            self._inside.append(method)
            self._methods[given.get("id", "")] = method
        elif tag == "button" and given.get("type") != "button":
            self._open = (given.get("form", ""), self._inside[-1] if self._inside else "")
            self._said = ""
        elif tag == "a" and "button" in given.get("class", "").split():
            self._open, self._said = ("", "get"), ""

    def handle_data(self, data: str) -> None:
        self._said += data

    def handle_endtag(self, tag: str) -> None:
        if tag == "form" and self._inside:
            self._inside.pop()
        if tag in ("button", "a") and self._open:
            (owner, method), words = self._open, " ".join(self._said.split())
            if owner:
                self._owned.append((owner, words))
            else:
                self.found.append((method, words))
            self._open = None


def buttons_of(page: str) -> list[tuple[str, str]]:
    """Method and words of each button that sends something, and of each link that looks like one."""
    return _Buttons(page).found
