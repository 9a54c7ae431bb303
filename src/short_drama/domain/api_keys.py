"""API keys: what is shown once, and what is kept of it.

A key is `sd_<id>_<secret>`. The id is no secret: it finds the record, and may stand in a log. Of
the secret only its SHA-256 is kept: it is drawn at random from so many that no slower hash is
needed.
"""

import hashlib
import hmac
import re
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, Final, NamedTuple, Self

from short_drama.domain.errors import InvalidRequest
from short_drama.domain.letters import checked_label
from short_drama.domain.principal import Principal, Scope

FIRST_FILE: Final = "admin-key"
"""In the data directory: the first key, until somebody has read it."""
OWNER: Final = re.compile(r"[a-z0-9-]{1,40}")
_FORM = re.compile(r"sd_([a-z0-9]{8})_([A-Za-z0-9]{32,128})")
_ID_LETTERS: Final = "abcdefghijkmnpqrstuvwxyz23456789"
"""Those that nobody mistakes for others."""
_ID_LENGTH, _SECRET_BYTES = 8, 24


class Given(NamedTuple):
    """A key as a client gives it."""

    key_id: str
    secret: str

    @classmethod
    def of(cls, text: str) -> Self | None:
        """None for what is no key."""
        found = _FORM.fullmatch(text)
        return None if found is None else cls(found[1], found[2])

    def __str__(self) -> str:
        return f"sd_{self.key_id}_{self.secret}"

    def __repr__(self) -> str:
        return f"Given({self.key_id})"


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiKey:
    """What is kept of a key. Times are Unix seconds; `daily_limit`: millionths of a US dollar that
    its tasks may cost in a day."""

    key_id: str
    owner: str
    scopes: frozenset[Scope]
    digest: str
    label: str = ""
    created_at: float
    expires_at: float | None = None
    revoked_at: float | None = None
    last_used_at: float | None = None
    """To the minute."""
    daily_limit: int | None = None

    def opens(self, given: Given, *, now: float) -> bool:
        """Whether that is this key, and it may still be used; as long for any wrong secret."""
        same = hmac.compare_digest(digest_of(given.secret), self.digest)
        return same and self.is_valid(now)

    def is_valid(self, now: float) -> bool:
        return self.revoked_at is None and (self.expires_at is None or now < self.expires_at)

    @property
    def principal(self) -> Principal:
        return Principal(
            owner=self.owner,
            scopes=self.scopes,
            key_id=self.key_id,
            daily_limit=self.daily_limit,
        )

    def to_json(self) -> dict[str, Any]:
        members = {**asdict(self), "scopes": sorted(self.scopes)}
        return {name: value for name, value in members.items() if value is not None}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """Members and scopes that a later release has added mean nothing here."""
        known = {name: data[name] for name in cls.__slots__ if name in data}
        scopes = frozenset(Scope(one) for one in data["scopes"] if one in frozenset(Scope))
        return cls(**{**known, "scopes": scopes})


def digest_of(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


def make(
    *,
    owner: str,
    scopes: Iterable[Scope],
    now: float,
    label: str = "",
    expires_at: float | None = None,
    daily_limit: int | None = None,
) -> tuple[ApiKey, Given]:
    """A new key's record, and the key itself, to be shown once. Raises InvalidRequest."""
    if not OWNER.fullmatch(owner):
        raise InvalidRequest(
            f"{owner[:80]!r} is no owner's name",
            field="owner",
            fix="Give 1 to 40 small letters, digits and dashes.",
        )
    if not (allowed := frozenset(scopes)):
        raise InvalidRequest(
            "a key without a scope opens nothing", field="scopes", fix=f"Of: {', '.join(Scope)}."
        )
    given = Given(_new_id(), secrets.token_hex(_SECRET_BYTES))
    record = ApiKey(
        key_id=given.key_id,
        owner=owner,
        scopes=allowed,
        digest=digest_of(given.secret),
        label=checked_label(label),
        created_at=now,
        expires_at=expires_at,
        daily_limit=daily_limit,
    )
    return record, given


def renewed(key: ApiKey, *, now: float) -> tuple[ApiKey, Given]:
    """Another key for the same owner and the same purpose."""
    given = Given(_new_id(), secrets.token_hex(_SECRET_BYTES))
    record = replace(
        key,
        key_id=given.key_id,
        digest=digest_of(given.secret),
        created_at=now,
        revoked_at=None,
        last_used_at=None,
    )
    return record, given


def _new_id() -> str:
    return "".join(secrets.choice(_ID_LETTERS) for _ in range(_ID_LENGTH))
