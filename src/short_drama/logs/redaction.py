"""What must not come out of a log, taken out of it by value and by shape; and by value only, out of
what others answer, before anything is made of it.

A secret is known by its value, wherever it stands and however it is spelled: as it is, in quotes,
percent-encoded, in hexadecimal, or inside anything in base64. A part of one is taken out as well
when it is long enough to help whoever guesses the rest.
"""

import base64
import functools
import html
import json
import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any
from urllib.parse import quote, quote_plus

HIDDEN = "***"
SHORTEST = 4
"""Characters; a shorter value cannot be told from words."""
_LONG_PART = 8
"""Characters that a part of a secret must have at least, beside being half of it."""

_LONGEST_WORDS = 64 * 1024
"""Characters, in an answer: what is longer is no words, but a picture."""

_REMEMBERED, _OFTEN_SAID = 4096, 200
"""Texts whose clean form is kept, and how long one may be: most are said again soon, as ids are."""

_SPELLINGS: tuple[Callable[[str], str], ...] = (
    str,
    lambda secret: repr(secret)[1:-1],
    lambda secret: repr(secret.encode())[2:-1],
    lambda secret: json.dumps(secret)[1:-1],
    lambda secret: json.dumps(secret, ensure_ascii=False)[1:-1],
    html.escape,
    lambda secret: quote(secret, safe=""),
    quote_plus,
    lambda secret: secret.encode().hex(),
    lambda secret: secret.encode().hex().upper(),
)

_SHAPES = (
    # What may be asked at an address is private: signatures, tokens, names.
    (re.compile(r"(\b[a-zA-Z][\w+.-]*://)[^\s/@\"'<>]+@"), rf"\1{HIDDEN}@"),
    (re.compile(r"(\b[a-zA-Z][\w+.-]*://[^\s?\"'<>]*)\?[^\s\"'<>#]*"), rf"\1?{HIDDEN}"),
    (
        re.compile(
            r"(?i)\b((?:x-amz-(?:signature|credential|security-token)|signature|(?:\w+[_-])?token"
            r"|api[_-]?key|access[_-]?key|secret[_-]?(?:access[_-]?)?key|key|secret|password|passwd)"
            r"\s*=\s*)[^\s&\"',;]+"
        ),
        rf"\1{HIDDEN}",
    ),
    (re.compile(r"(?i)(authorization\W{1,4}(?:(?:bearer|basic)\s+)?)[^\s\"',]+"), rf"\1{HIDDEN}"),
    (re.compile(r"\b(sd_[a-z0-9]{8}_)[A-Za-z0-9]{32,}"), rf"\1{HIDDEN}"),
    (re.compile(r"(data:[\w/+.-]+;base64,)[\w+/=-]+"), rf"\1{HIDDEN}"),
)
_SIGNS = ("://", "=", "uthorization", "UTHORIZATION", "sd_", ";base64,")
"""Of which there is one in every text that has one of these shapes."""


class Redactor:
    """Args:
    secrets: values; those that are shorter than SHORTEST are left alone.
    """

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        known = sorted({one for one in secrets if len(one) >= SHORTEST}, key=len, reverse=True)
        self._parts = [_Parts(secret) for secret in known if len(secret) >= _LONG_PART]
        self._plain = [secret for secret in known if len(secret) >= _LONG_PART]
        needles = {needle for secret in known for needle in _needles(secret)}
        self._whole = _any_of(needles)
        self._encoded = _any_encoded(known)
        self._clean_again = functools.lru_cache(maxsize=_REMEMBERED)(self._clean)

    def text(self, text: str) -> str:
        """The text without what is secret in it."""
        return self._clean_again(text) if len(text) <= _OFTEN_SAID else self._clean(text)

    def answer(self, found: Any) -> Any:
        """The JSON without the values that are known: what has the shape of a secret is left, for a
        signed address is one. Raises RecursionError where it is nested too deep."""
        if isinstance(found, str):
            return self._values(found) if len(found) <= _LONGEST_WORDS else self._plainly(found)
        if isinstance(found, list):
            return [self.answer(one) for one in found]
        if isinstance(found, dict):
            return {self.answer(name): self.answer(value) for name, value in found.items()}
        return found

    def _plainly(self, text: str) -> str:
        """A picture's letters: looking for every spelling in them takes seconds, and finds some."""
        for secret in self._plain:
            text = text.replace(secret, HIDDEN)
        return text

    def _clean(self, text: str) -> str:
        text = self._values(text)
        if any(sign in text for sign in _SIGNS):
            for shape, instead in _SHAPES:
                text = shape.sub(instead, text)
        return text

    def _values(self, text: str) -> str:
        if self._whole is not None:
            text = self._whole.sub(HIDDEN, text)
        for parts in self._parts:
            text = parts.hidden_in(text)
        if self._encoded is not None and "%" in text:
            text = self._encoded.sub(HIDDEN, text)
        return text


class _Parts:
    """Parts of a secret that are half of it or more. Blocks of half that length stand side by side
    in the secret, so that every such part has one of them in it: they are quick to look for."""

    def __init__(self, secret: str) -> None:
        self._secret = secret
        self._least = max((len(secret) + 1) // 2, _LONG_PART)
        size = (self._least + 1) // 2
        self._blocks = [secret[at : at + size] for at in range(0, len(secret) - size + 1, size)]

    def hidden_in(self, text: str) -> str:
        if not any(block in text for block in self._blocks):
            return text
        kept, at = [], 0
        while at < len(text):
            length = self._part_at(text, at)
            kept.append(HIDDEN if length else text[at])
            at += length or 1
        return "".join(kept)

    def _part_at(self, text: str, at: int) -> int:
        """The length of the longest part that begins there; 0 for none."""
        length = 0
        if text[at : at + self._least] in self._secret:
            length = min(self._least, len(text) - at)
            while at + length < len(text) and text[at : at + length + 1] in self._secret:
                length += 1
        return length if length >= self._least else 0


def _needles(secret: str) -> Iterator[str]:
    for spell in _SPELLINGS:
        yield spell(secret)
    for encode in (base64.b64encode, base64.urlsafe_b64encode):
        for before in range(3):
            if len(middle := _inside_base64(secret.encode(), before, encode)) >= SHORTEST:
                yield middle


def _inside_base64(secret: bytes, before: int, encode: Callable[[bytes], bytes]) -> str:
    """What the secret becomes inside a longer text of which `before` bytes, or three times any
    number more, stand before it: without the letters that what is around it has a part in."""
    letters = encode(b"\0" * before + secret).decode().rstrip("=")
    ends_within = (before + len(secret)) % 3 != 0
    return letters[(0, 2, 3)[before] : -1 if ends_within else None]


def _any_of(needles: Iterable[str]) -> re.Pattern[str] | None:
    longest_first = sorted(needles, key=len, reverse=True)
    return re.compile("|".join(map(re.escape, longest_first))) if longest_first else None


def _any_encoded(secrets: Iterable[str]) -> re.Pattern[str] | None:
    """Each byte as it is or percent-encoded, even more than once, in letters of either case."""
    found = ["".join(_encoded(secret)) for secret in secrets]
    return re.compile("|".join(found)) if found else None


def _encoded(secret: str) -> Iterator[str]:
    for letter in secret:
        octets = "".join(f"%(?:25)*(?i:{octet:02x})" for octet in letter.encode())
        plain = re.escape(letter) + (r"|\+" if letter == " " else "")
        yield f"(?:{plain}|{octets})"
