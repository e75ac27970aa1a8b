"""The forms in which secrets are written down: lists of names and values, arguments, tags, names written together.

Each is hidden in JSON, in JSON that cannot be read as it is, and in a text, and costs no more in a hostile one.
"""

from __future__ import annotations

import json
import time
from typing import Any

import pytest

from dashboard.redaction import MASK, Redactor

REDACTOR = Redactor(["contraseña"])
SECRET = "hunter2secret"

PAYLOADS: list[Any] = [
    {"env": [{"name": "DB_PASSWORD", "value": SECRET}, {"name": "COLOUR", "value": "red"}]},
    {"env": {"Name": "DB_PASSWORD", "Secure": True, "Value": SECRET}},
    {"env": {"name": "DB_PASSWORD", "from": {"value": 1}, "value": SECRET}},
    {"env": {"value": SECRET, "name": "DB_PASSWORD"}},
    {"env": {"key": "password", "val": SECRET}},
    {"env": [{"header": "x-api-key", "value": SECRET}]},
    {"argv": ["mysql", "--password", SECRET, "shop"]},
    {"headers": [["Accept", "*/*"], ["X-Api-Key", SECRET]]},
    {"contraseña": SECRET},
    *({name: SECRET} for name in ("PGPASSWORD", "dbpassword", "accesstoken", "authtokens", "clientsecret")),
    *({name: SECRET} for name in ("secretkey", "passcode", "AccountKey", "X-Amz-Signature", "a" * 99 + "_token_" * 9)),
]

TEXTS = [
    f"Command '['mysql', '--password', '{SECRET}']' returned non-zero exit status 1.",
    f"headers=[('X-Api-Key', '{SECRET}'), ('Accept', '*/*')]",
    f"run --password  {SECRET} now",
    f'<wsse:Password Type="http://docs#PasswordText">{SECRET}</wsse:Password>',
    f'<add key="password" value="{SECRET}"/>',
    f"<password><![CDATA[a<b{SECRET}]]></password>",
    f"PGPASSWORD={SECRET} psql",
    f"DefaultEndpointsProtocol=https;AccountName=a;AccountKey={SECRET}==;",
    f"https://b.example/x?sv=1&sig={SECRET}%3D",
    f"https://s3.example/x?X-Amz-Signature={SECRET}",
    f"password                  =                {SECRET}",
    f"password=SecretStr('{SECRET}')",
    f"password=<Secret {SECRET}>",
    f"password='''a'{SECRET}'''",
    f"password='a, b & (c){SECRET}'",
    f"password: |\n    {SECRET}\n    {SECRET}\norder: 1",
    f"body=password%3D{SECRET}",
    f'Cookie: a="{SECRET}"; b={SECRET}',
    f'Authorization: Digest username="x", response="{SECRET}"',
    "body=" + json.dumps({"contraseña": SECRET}),
    json.dumps(json.dumps({"contraseña": SECRET})),
]

SHOWN = [
    '{"env": [{"name": "COLOUR", "value": "red"}], "note": {"name": "discard", "value": 1}}',
    '{"argv": ["run", "--use-token", "--force"], "fields": ["token", "order"], "rows": [["order", 1], ["total", 2]]}',
    '{"path": "C:\\\\u0041bc", "signature": "f(a, b)", "account": "ada"}',
    '{"field": "the password", "why": "too short"}',
    "fields ['password', 'email'] are required",
    "check('token', 'order') failed",
    "run --use-token --force",
    "<passwordless>yes</passwordless>",
    "usage: name=token, order=1",
    "signal sig=9, account 7 of 9, dispatcher=4",
    "the tokenizer, a secretary and a passwordless sign-in",
    "caf\\u00e9 costs 4",
]

HOSTILE = [
    '"name":"pin",{', '"name":"pin",{}',
    '"name":"pin", ', '"name":"pin","', '"value":1,"name":"pin" ', ":pin ", "<pin ", "<a:pin x", '["pin","', "--pin ",
    "'--pin', ", "('pin', ", "pin" + " " * 210, "pin=a(", "pin=<a", "pin:|\n a", "pin='''", "cookie=a=\"b='", "\\u00f1",
    "\\", "<pin><![CDATA[", "&sig=", "pin%3D", "account", "[['pin','a'", 'name="pin" valu',
]  # fmt: skip


def written(payload: Any) -> list[str]:
    """As JSON, as its beginning, with a name twice, too deep to be read, in a string of JSON, and in Python's words."""
    text = json.dumps(payload)
    return [
        text,
        f'{{"all": {text}, "rest": "x…',
        f'{{"a": 1, "a": {text}}}',
        '{"a":' * 6_000 + text + "}" * 6_000,
        json.dumps({"body": text}),
        json.dumps({"body": json.dumps({"inner": text})}),
        f"KeyError: {payload!r}",
        f"KeyError: {text!r}",
    ]


@pytest.mark.parametrize("payload", PAYLOADS, ids=lambda payload: str(payload)[:40])
def test_secret_is_hidden_however_the_payload_is_written(payload: Any) -> None:
    for text in written(payload):
        for found in (REDACTOR.payload(text), REDACTOR.text(text, is_cut=True)):
            assert SECRET not in found.text, text[:200]
            assert MASK in found.text
            assert found.hidden >= 1


@pytest.mark.parametrize("text", TEXTS)
def test_secret_is_hidden_in_a_text_and_looked_at_again_that_stays(text: str) -> None:
    once = REDACTOR.text(text)
    assert SECRET not in once.text
    assert once.hidden >= 1
    assert REDACTOR.text(once.text).text == once.text
    assert SECRET not in REDACTOR.payload(json.dumps({"error": text})).text


@pytest.mark.parametrize("text", SHOWN)
def test_what_only_sounds_like_a_secret_is_seen(text: str) -> None:
    looks = [REDACTOR.text(text)] if not text.startswith("{") else [REDACTOR.payload(text), REDACTOR.text(text)]
    assert [(found.text, found.hidden) for found in looks] == [(text, 0)] * len(looks)


def test_name_that_is_taken_off_hides_no_longer_ones_either() -> None:
    assert Redactor(["-token"]).payload('{"accesstoken":"x"}').hidden == 0


@pytest.mark.parametrize("part", HOSTILE)
def test_the_beginnings_of_a_form_by_the_thousand_cost_a_moment(part: str) -> None:
    text = part * (256 * 1024 // len(part))
    began = time.process_time()
    REDACTOR.text(text, is_cut=True)
    assert time.process_time() - began < 4
