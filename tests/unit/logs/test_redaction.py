"""Whatever is logged, however it is spelled: a secret does not come out."""

import base64
import json
import logging
import re
import string
from collections.abc import Callable
from typing import Any
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from short_drama.logs import text
from short_drama.logs.formatting import LineFormatter
from short_drama.logs.redaction import HIDDEN, Redactor

KEY = "sk-4f9c2e71a8b3d605"
FRAME = '{"timestamp":"2026","level":"info","event":"","component":"logger":"short_drama.test"}'
"""What stands in every line anyway."""
PRINTABLE = st.text(
    string.ascii_letters + string.digits + "-_+/=.:@#%& \"'\\<>", min_size=8
).filter(lambda found: found not in FRAME)
ANYTHING = st.text(min_size=8, max_size=60).filter(
    lambda found: found.isprintable() and found not in FRAME
)
WORDS = st.text(string.ascii_lowercase + " ", max_size=20)


def said(
    secret: str, message: str, *arguments: object, error: BaseException | None = None, **facts: Any
) -> str:
    """The line, as it leaves the process."""
    formatter = LineFormatter(Redactor([secret]), component="test", version="1")
    exc_info = None if error is None else (type(error), error, error.__traceback__)
    record = logging.getLogger("short_drama.test").makeRecord(
        "short_drama.test", logging.INFO, __file__, 1, message, arguments, exc_info, extra=facts
    )
    return formatter.format(record)


def values(found: object) -> list[str]:
    """Every text in a line, names of members included."""
    if isinstance(found, dict):
        return [*found, *(one for value in found.values() for one in values(value))]
    if isinstance(found, list):
        return [one for value in found for one in values(value)]
    return [str(found)]


def never_says(line: str, secret: str) -> None:
    record = json.loads(line)
    assert all(secret not in one for one in values(record))
    assert secret not in text.line(record)


@given(secret=PRINTABLE | ANYTHING, before=WORDS, after=WORDS)
def test_a_secret_in_any_place(secret: str, before: str, after: str) -> None:
    assume(not any(secret in part for part in (before, after)))
    around = f"{before}{secret}{after}"
    facts: dict[str, Any] = {
        "one": around,
        "two": {"in": [around, (around, {around: 1})]},
        "three": {around},
    }
    never_says(said(secret, "%s and " + around.replace("%", "%%"), around, **facts), secret)


SPELLED: dict[str, Callable[[str], str]] = {
    "quoted": quote,
    "quoted whole": lambda secret: quote(secret, safe=""),
    "quoted in lower case": lambda secret: re.sub("%..", lambda x: x[0].lower(), quote(secret)),
    "quoted with plus": quote_plus,
    "every byte": lambda secret: "".join(f"%{one:02X}" for one in secret.encode()),
    "twice": lambda secret: quote(quote(secret, safe=""), safe=""),
    "hexadecimal": lambda secret: secret.encode().hex(),
    "repr": lambda secret: repr(secret)[1:-1],
    "json": lambda secret: json.dumps(secret)[1:-1],
    "bytes": lambda secret: repr(secret.encode())[2:-1],
}


@pytest.mark.parametrize("way", SPELLED)
@settings(max_examples=30)
@given(secret=PRINTABLE)
def test_a_secret_in_another_spelling(way: str, secret: str) -> None:
    spelled = SPELLED[way](secret)
    line = said(secret, "asked for http://host/%s", spelled, spelled=spelled, raw=spelled.encode())
    assert all(spelled not in one for one in values(json.loads(line)))


@given(
    user=st.text(string.ascii_letters, max_size=7),
    secret=st.text(string.ascii_letters + string.digits, min_size=8, max_size=40),
    encode=st.sampled_from([base64.b64encode, base64.urlsafe_b64encode]),
)
def test_a_secret_in_basic_credentials(
    user: str, secret: str, encode: Callable[[bytes], bytes]
) -> None:
    credentials = encode(f"{user}:{secret}".encode()).decode()
    line = said(secret, "sent", header=f"Basic {credentials}", other=credentials)
    assert credentials not in line


@given(secret=PRINTABLE, at=st.integers(0, 100))
def test_half_of_a_secret_is_as_secret(secret: str, at: int) -> None:
    assume(len(secret) >= 16)
    at %= len(secret)
    halves = secret[:at], secret[at:]
    line = said(secret, "split", first=halves[0], second=halves[1], both=list(halves))
    longer = max(halves, key=len)
    assert all(longer not in one for one in values(json.loads(line)))


@given(secret=PRINTABLE)
def test_a_secret_in_a_chain_of_errors(secret: str) -> None:
    known: dict[str, int] = {}
    try:
        try:
            known[secret]
        except KeyError as cause:
            raise ValueError(f"no {secret}", {"key": secret}) from cause
    except ValueError as error:
        line = said(secret, "it failed", error=error)
    never_says(line, secret)
    assert "ValueError" in line
    assert HIDDEN in line


def test_a_number_that_is_a_secret() -> None:
    never_says(
        said("73519264", "counted %d", 73519264, number=73519264, more=[73519264]), "73519264"
    )


def test_what_cannot_be_shown_does_not_stop_a_line() -> None:
    class Broken:
        def __repr__(self) -> str:
            raise ValueError(KEY)

    deep: list[Any] = []
    deep.append(deep)
    line = said(KEY, "shown", broken=Broken(), deep=deep, number=float("nan"), text="\ud800")
    never_says(line, KEY)
    assert json.loads(line)["event"] == "shown"


@pytest.mark.parametrize(
    ("text_", "clean"),
    [
        ("https://anna:safe@host/x", "https://***@host/x"),
        ("see http://h/x?X-Amz-Signature=abc&y=1 there", "see http://h/x?*** there"),
        ("s3://b/k?versionId=1", "s3://b/k?***"),
        ("/assets/a?X-Amz-Credential=AKIA/1&a=1", "/assets/a?X-Amz-Credential=***&a=1"),
        ("token=abc, rest", "token=***, rest"),
        ("session_token = abc", "session_token = ***"),
        ("{'Authorization': 'Bearer abc.def'}", "{'Authorization': 'Bearer ***'}"),
        ("data:image/png;base64,AAAA+/==", "data:image/png;base64,***"),
        ("key images/comfyui-results/a.png", "key images/comfyui-results/a.png"),
        ("a=1 and http://127.0.0.1:8188/prompt", "a=1 and http://127.0.0.1:8188/prompt"),
    ],
)
def test_what_looks_like_a_key(text_: str, clean: str) -> None:
    assert Redactor().text(text_) == clean


def test_words_stay_as_they_are() -> None:
    redactor = Redactor([KEY, "abc"])  # a value so short is in too many words
    sentence = "the abc of a task: sk-4f9c was claimed, 100% of it"
    assert redactor.text(sentence) == sentence


def test_an_api_key_of_ours_is_known_by_its_shape() -> None:
    secret = "0123456789abcdef" * 3
    said = Redactor().text(f"GET /x?ticket=1 by sd_a1b2c3d4_{secret}.")
    assert "sd_a1b2c3d4_***" in said
    assert secret not in said
