"""The audit: lines that say who did what, and how they are kept so that a change shows.

A kept line carries a digest of itself and of the one before it. Whoever changes one, takes one out
or puts one in has to write all that follow again, and then their last digest is another one.
"""

import hashlib
import json
import re
from collections.abc import AsyncIterator, Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any, Final, Self

BEGUN: Final = "begun"
"""The outcome of a line that was written before its action; another one follows it."""
DONE: Final = "done"
MOST_FAULTS: Final = 20
"""As many are told; whoever changes the file may change all of it."""
_TARGET: Final = re.compile(r"[\w.:/@-]{1,200}", re.ASCII)
_KEY: Final = re.compile(r"(sd_[a-z0-9]{8})_[A-Za-z0-9]+")
_HEAD: Final = re.compile(r"(\d+):([0-9a-f]{64})")


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditLine:
    """Who did what: no prompt is in it, no picture's address and no secret.

    Args:
        at: Unix seconds.
        action: `task.submit`, or a route without a name: `POST /api/v1/things`.
        outcome: `done`; `begun`; of what was refused the HTTP status, or the error's code.
        owner, key_id: of the API key; empty and None at the command line, and of nobody.
        origin: the client's address, or `cli:user@host`.
        target: a task's, key's or asset's id, a name.
        about: what else tells actions apart: a kind, scopes.
    """

    at: float
    action: str
    outcome: str = DONE
    owner: str = ""
    key_id: str | None = None
    origin: str
    target: str = ""
    about: str = ""

    def on(self, target: str, about: str = "") -> Self:
        return replace(self, target=shown(target), about=about or self.about)

    def to_json(self) -> dict[str, Any]:
        return {name: value for name, value in asdict(self).items() if value not in ("", None)}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """Members that a later release has added mean nothing here."""
        return cls(**{one.name: data[one.name] for one in fields(cls) if one.name in data})


def shown(target: str) -> str:
    """What strangers may have written, as it may stand in a line: an id or a name, of a key no more
    than its id, and nothing of what is neither."""
    target = _KEY.sub(r"\1", target)
    return target if _TARGET.fullmatch(target) else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditFilter:
    """All given members must match; `since` is then or later, `until` earlier, in Unix seconds."""

    since: float | None = None
    until: float | None = None
    owner: str | None = None
    action: str | None = None
    target: str | None = None

    def matches(self, line: AuditLine) -> bool:
        return (
            (self.since is None or line.at >= self.since)
            and (self.until is None or line.at < self.until)
            and self.owner in (None, line.owner)
            and self.action in (None, line.action)
            and self.target in (None, line.target)
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditEntry:
    """A line as it is kept.

    Args:
        text: the line as JSON.
        number: its place, from 1 and without a gap; 0 where a backend keeps no order.
        until: Unix seconds, after which it may go; None is for ever.
        before: the digest of the entry before it, empty where there is none.
    """

    text: str
    number: int = 0
    until: int | None = None
    before: str = ""
    digest: str

    @classmethod
    def of(cls, line: AuditLine, *, until: int | None, number: int = 0, before: str = "") -> Self:
        text = json.dumps(line.to_json(), ensure_ascii=False, separators=(",", ":"))
        digest = _digest(number, until, before, text)
        return cls(text=text, number=number, until=until, before=before, digest=digest)

    @property
    def line(self) -> AuditLine:
        """Raises what comes of reading what is no line."""
        return AuditLine.from_json(json.loads(self.text))

    @property
    def is_sound(self) -> bool:
        """Whether it is as it was written, as far as it can tell by itself."""
        return self.digest == _digest(self.number, self.until, self.before, self.text)

    @property
    def head(self) -> str:
        """What to note elsewhere: whoever has it finds any change up to there."""
        return f"{self.number}:{self.digest}"

    def to_json(self) -> dict[str, Any]:
        kept = {"number": self.number, "before": self.before, "digest": self.digest}
        until = {} if self.until is None else {"until": self.until}
        return {**self.line.to_json(), **until, **(kept if self.number else {})}


@dataclass(slots=True)
class Verdict:
    """`faults`: in words, the first of them. `head`: of the last entry; empty without order."""

    entries: int = 0
    first: int = 0
    head: str = ""
    faults: list[str] = field(default_factory=list)

    def found(self, fault: str) -> None:
        if len(self.faults) < MOST_FAULTS:
            self.faults.append(fault)


async def verified(entries: AsyncIterator[AuditEntry], *, known: str = "") -> Verdict:
    """What is wrong with them, oldest first. `known`: a head that was noted earlier.

    The first may be any: what has had its time goes from that end.
    """
    verdict, last = Verdict(), None
    number, digest = head_of(known)
    async for entry in entries:
        verdict.entries += 1
        if not entry.is_sound:
            verdict.found(f"line {entry.number or verdict.entries} was changed")
        if entry.number:
            _follow(verdict, last, entry)
            if entry.number == number and entry.digest != digest:
                verdict.found(f"line {number} is not the one that was noted: {digest[:12]}...")
            verdict.head, last = entry.head, entry
    if number and number > (last.number if last is not None else 0):
        verdict.found(f"line {number}, which was noted, is not there: the end was cut off")
    if number and number < verdict.first:
        verdict.found(f"line {number}, which was noted, is gone")
    return verdict


def _follow(verdict: Verdict, last: AuditEntry | None, entry: AuditEntry) -> None:
    if last is None:
        verdict.first = entry.number
        if entry.number == 1 and entry.before:
            verdict.found("line 1 follows another one, which is not there")
    elif entry.number != last.number + 1:
        verdict.found(f"after line {last.number} comes {entry.number}")
    elif entry.before != last.digest:
        verdict.found(f"line {entry.number} does not follow what stands before it")


def head_of(known: str) -> tuple[int, str]:
    """(0, "") for none. Raises ValueError."""
    if not known:
        return 0, ""
    if (found := _HEAD.fullmatch(known)) is None:
        raise ValueError("a head is a number, a colon and 64 digits of a SHA-256")
    return int(found[1]), found[2]


def _digest(number: int, until: int | None, before: str, text: str) -> str:
    sealed = f"{number}\n{until or ''}\n{before}\n{text}"
    return hashlib.sha256(sealed.encode()).hexdigest()
