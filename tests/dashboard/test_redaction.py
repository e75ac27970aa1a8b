"""What is not to be seen is not: by the name of a value, by its look, in JSON and in any other text."""

from __future__ import annotations

import json
import time

import pytest

from dashboard.redaction import MASK, Redactor

REDACTOR = Redactor(["customer_no", "-pin"])
SECRET = "hunter2secret"

HIDDEN = [
    '{"order": 1, "password": "hunter2secret"}',
    '{"order": 1, "cardNumber": ["hunter2secret", 1]}',
    '{"order": {"X-Api-Key": {"deep": "hunter2secret"}}}',
    '{"CUSTOMER-NO": "hunter2secret"}',
    '{"headers": [{"name": "Authorization", "value": "hunter2secret"}]}',
    '{"url": "redis://:hunter2secret@host/0"}',
    '{"url": "https:\\/\\/ada:hunter2secret@host\\/"}',
    '{"p\\u0061ssword": "hunter2secret"}',
    '{"note": "send Bearer hunter2secret on"}',
    '{"body": "{\\"token\\": \\"hunter2secret\\"}"}',
    '{"password": "hunter2secret", "password": 1}',
    '{"order": 1, "password": "hunter2secr',
    '{"p\\u0061ssword": "hunter2sec',
    '{"password": {"a": ["hunter2secret", "b',
    '{"url": "redis://ada:hunter2sec…',
    "ConnectionError: postgres://ada:hunter2secret@db.internal/orders refused",
    "KeyError: {'order': 1, 'secret': 'hunter2secret'}",
    "    charge(card='hunter2secret', amount=1)",
    "Authorization: Basic hunter2secret==",
    "Cookie: a=1; session=hunter2secret",
    "https://api.example/x?access_token=hunter2secret&page=2",
    "run --password hunter2secret --force",
    "<password>hunter2secret</password>",
    "-----BEGIN PRIVATE KEY-----\nhunter2secret\n-----END PRIVATE KEY-----",
    "password = hunter2secret",
    "password: b'hunter2secret'",
    "PASSWORD=hunter2secret",
    "İ password=hunter2secret",
]

LOOKS = [
    "AKIAIOSFODNN7EXAMPLE",
    "ghp_16C7e42F292c6912E7710c838347Ae178B4a",
    "github_pat_11ABCDEFG0123456789_abc",
    "glpat-abcdefghij0123456789",
    "sk_live_4eC39HqLyjWDarjtT1zdp7dc",
    "xoxb-123456789012-abcdefghijkl",
    "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.dozjgNryP4J3jVmNHl0w5N",
    "taskyard_abcdefghijklmnopqrstuvwxyz012345",
]

SHOWN = [
    '{"order": 1, "discard": true, "amount": "19.90", "pin": 4}',
    '{"password": null, "token": "", "has_secret": false}',
    '{"big": 123456789012345678901234567890, "at": 1.10}',
    "KeyError: 'token'",
    "TokenError: it is too old",
    "GET http://host:8080/path?mail=a@b.example failed",
    "discard: 4, postcards: 5",
    "Basic authentication is needed",
]


@pytest.mark.parametrize("text", HIDDEN)
def test_value_under_the_name_of_a_secret_and_password_in_an_address_are_hidden(text: str) -> None:
    for found in (REDACTOR.payload(text), *([] if text.startswith("{") else [REDACTOR.text(text)])):
        assert "hunter2" not in found.text
        assert MASK in found.text
        assert found.hidden >= 1


@pytest.mark.parametrize("text", LOOKS)
def test_token_of_a_known_form_is_hidden_wherever_it_stands(text: str) -> None:
    assert REDACTOR.text(f"it said {text}, then ended") == REDACTOR.text(f"it said {MASK}, then ended").__class__(
        f"it said {MASK}, then ended", 1
    )
    assert json.loads(REDACTOR.payload(json.dumps({"order": 1, "note": text})).text) == {"order": 1, "note": MASK}
    assert text not in REDACTOR.payload(json.dumps({"by": {text: 1}})).text
    cut = REDACTOR.payload(f'{{"note": "{text[:12]}…')
    assert text[:12] not in cut.text


@pytest.mark.parametrize("text", SHOWN)
def test_what_is_no_secret_stays_as_it_is(text: str) -> None:
    found = REDACTOR.payload(text) if text.startswith("{") else REDACTOR.text(text)
    assert (found.text, found.hidden) == (text, 0)


def test_what_is_hidden_leaves_the_rest_of_the_payload_and_its_order() -> None:
    payload = '{"z": 123456789012345678901234567890, "card": 4111, "a": ["ü", {"cvv": "1", "b": null}]}'
    found = REDACTOR.payload(payload)
    assert found.text == f'{{"z":123456789012345678901234567890,"card":"{MASK}","a":["ü",{{"cvv":"{MASK}","b":null}}]}}'
    assert found.hidden == 2


def test_hidden_text_that_is_looked_at_again_stays_as_it_is() -> None:
    for text in HIDDEN:
        once = REDACTOR.text(text).text
        assert REDACTOR.text(once).text == once


@pytest.mark.parametrize(
    "payload",
    [
        json.dumps({"items": [{"id": i, "card": f"c {i}", "note": "password: x\n"} for i in range(15_000)]}),
        '{"x":"' + "password" * 120_000,
        '{"x":"' + "password:" * 110_000,
        "password='" + "\\" * 1_000_000,
        '{"password":' + "[" * 1_000_000,
        "://a:" * 200_000,
        "bearer " * 140_000,
        "-----BEGIN PRIVATE KEY-----" * 37_000,
        "eyJ" * 330_000,
    ],
    ids=lambda payload: payload[:24],
)
def test_a_megabyte_costs_a_moment_whatever_it_is_made_of(payload: str) -> None:
    began = time.process_time()
    REDACTOR.payload(payload)
    assert time.process_time() - began < 2


def test_values_as_deep_as_json_allows_are_looked_at() -> None:
    for depth in (100, 900, 5_000, 100_000):
        nested = '{"a":' * depth + '{"password":"hunter2secret"}' + "}" * depth
        assert "hunter2" not in REDACTOR.payload(nested).text
