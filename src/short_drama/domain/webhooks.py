"""Webhooks: who is told of what, and what has become of the telling.

An endpoint is an address that its owner has registered, and that has proved to want what is sent.
What an endpoint is to be told is a `Notification`, and lives in the record of what it is about: it
is as durable as that, and needs no queue of its own. Messages are those of Standard Webhooks
(https://www.standardwebhooks.com): thin, signed, and sent again until somebody takes them.
"""

import base64
import hashlib
import hmac
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Final, Self

from short_drama.domain import formats
from short_drama.domain.errors import InvalidRequest, WebhookNotFound

HOLD_SECONDS: Final = 60.0
"""How long a try may take before somebody else makes another: longer than its own timeouts."""
OVERLAP_SECONDS: Final = 86_400.0
"""How long messages carry the signature of the secret before the present one as well."""
_PAUSES: Final = (5.0, 30.0, 120.0, 600.0, 1800.0, 3600.0, 7200.0, 14_400.0, 21_600.0, 36_000.0)
"""Seconds between one try and the next: a day in all, at first for a restart, then for a night."""
_LONGEST_WAIT: Final = 86_400.0
_LOGGED: Final = 12
"""As many tries as are remembered: all of a delivery that nobody has asked for again."""
MOST_ENDPOINTS: Final = 20
"""Of one owner: their record stays small, and so does what one event sets off."""


class Event(StrEnum):
    """What an endpoint can be told of."""

    TASK_COMPLETED = "task.completed"
    TASK_FAILED = "task.failed"
    TASK_CANCELLED = "task.cancelled"


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """What is kept of an address. Times are Unix seconds. `generation`: which of its secrets is the
    present one, made at `rotated_at`."""

    endpoint_id: str
    url: str
    events: Sequence[Event]
    label: str = ""
    created_at: float
    generation: int = 1
    rotated_at: float | None = None
    verified_at: float | None = None
    disabled_at: float | None = None
    disabled_because: str | None = None

    @property
    def is_open(self) -> bool:
        """Whether it is told anything."""
        return self.verified_at is not None and self.disabled_at is None

    def hears(self, event: Event) -> bool:
        return self.is_open and event in self.events

    def verified(self, *, now: float) -> Self:
        return replace(self, verified_at=now, disabled_at=None, disabled_because=None)

    def disabled(self, because: str, *, now: float) -> Self:
        return replace(self, disabled_at=now, disabled_because=because)

    def rotated(self, *, now: float) -> Self:
        return replace(self, generation=self.generation + 1, rotated_at=now)

    def secrets(self, master: bytes, *, now: float) -> Sequence[str]:
        """What its messages are signed with: the present secret, and for a day the one before."""
        generations = [self.generation]
        if self.rotated_at is not None and now < self.rotated_at + OVERLAP_SECONDS:
            generations.append(self.generation - 1)
        return [_secret(master, self.endpoint_id, each) for each in generations]

    def to_json(self) -> dict[str, Any]:
        members = {**asdict(self), "events": list(self.events)}
        return {name: value for name, value in members.items() if value is not None}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """Events that a later release has added are none here."""
        known = {name: data[name] for name in cls.__slots__ if name in data}
        events = [Event(one) for one in data["events"] if one in frozenset(Event)]
        return cls(**{**known, "events": events})


@dataclass(frozen=True, slots=True)
class Endpoints:
    """All of one owner, in the order of their making; `version` grows by one with each write, and
    is 0 before the first."""

    owner: str
    all: Sequence[Endpoint] = ()
    version: int = 0

    def find(self, endpoint_id: str) -> Endpoint:
        """Raises WebhookNotFound."""
        for endpoint in self.all:
            if endpoint.endpoint_id == endpoint_id:
                return endpoint
        raise WebhookNotFound(
            f"there is no webhook {endpoint_id[:80]!r}", fix="List yours: /api/v1/webhooks."
        )

    def with_another(self, endpoint: Endpoint) -> Self:
        """Raises InvalidRequest for one too many."""
        if len(self.all) >= MOST_ENDPOINTS:
            raise InvalidRequest(
                f"there are {MOST_ENDPOINTS} webhooks already", fix="Delete one that is not needed."
            )
        return replace(self, all=(*self.all, endpoint))

    def with_changed(self, endpoint: Endpoint) -> Self:
        """In place of what is known of it. Raises WebhookNotFound."""
        known = self.find(endpoint.endpoint_id)
        return replace(self, all=tuple(endpoint if one is known else one for one in self.all))

    def without(self, endpoint_id: str) -> Self:
        """Raises WebhookNotFound."""
        known = self.find(endpoint_id)
        return replace(self, all=tuple(one for one in self.all if one is not known))

    @property
    def open_ids(self) -> tuple[str, ...]:
        """Of those that are told anything."""
        return tuple(one.endpoint_id for one in self.all if one.is_open)

    def to_json(self) -> dict[str, Any]:
        return formats.ENDPOINTS.marked({"endpoints": [one.to_json() for one in self.all]})

    @classmethod
    def from_json(cls, owner: str, version: int, data: Mapping[str, Any]) -> Self:
        """Raises NewerFormat."""
        formats.ENDPOINTS.require_known(data)
        return cls(owner, tuple(map(Endpoint.from_json, data["endpoints"])), version)


def chosen(events: Iterable[str]) -> Sequence[Event]:
    """In the order of `Event`, each once; all for none. Raises InvalidRequest."""
    wanted = frozenset(events)
    if unknown := sorted(wanted - frozenset(Event)):
        raise InvalidRequest(
            f"events: there is no event {unknown[0][:80]!r}",
            field="events",
            fix=f"The events are: {', '.join(Event)}.",
        )
    return [event for event in Event if event in (wanted or frozenset(Event))]


def _secret(master: bytes, endpoint_id: str, generation: int) -> str:
    """Nobody keeps it: it is made of the installation's own secret whenever it is needed."""
    digest = hmac.digest(master, f"webhook {endpoint_id} {generation}".encode(), "sha256")
    return f"whsec_{base64.b64encode(digest).decode()}"


# --- What is told -------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What came of one try. `status`: of HTTP, None where there was no answer; `retry_after`: the
    seconds that it asks for."""

    status: int | None
    reason: str | None = None
    seconds: float = 0.0
    retry_after: float | None = None

    @property
    def took(self) -> bool:
        return self.status is not None and 200 <= self.status < 300

    @property
    def is_gone(self) -> bool:
        """The endpoint wants nothing any more."""
        return self.status == 410


@dataclass(frozen=True, slots=True, kw_only=True)
class Notification:
    """One endpoint's of one event. Times are Unix seconds.

    `due_at`: when it is tried next, None when it is not. `log`: the last tries, each with `at`,
    `status`, `reason` and `seconds`.
    """

    endpoint_id: str
    event: Event
    since: float
    due_at: float | None
    tries: int = 0
    delivered_at: float | None = None
    log: Sequence[Mapping[str, Any]] = ()

    @property
    def state(self) -> str:
        """`waiting`, `delivered` or `given_up`."""
        if self.delivered_at is not None:
            return "delivered"
        return "given_up" if self.due_at is None else "waiting"

    def is_due(self, now: float) -> bool:
        return self.due_at is not None and self.due_at <= now

    def begun(self, *, now: float) -> Self:
        """Somebody tries; nobody else need for a while."""
        return replace(self, tries=self.tries + 1, due_at=now + HOLD_SECONDS)

    def put_off(self, *, until: float) -> Self:
        """Too much else is being told."""
        return replace(self, due_at=until)

    def answered(self, answer: Answer, *, now: float, chance: float) -> Self:
        """`chance`: from 0 to 1, spreads tries of many that fail together."""
        told = {"at": now, "status": answer.status, "reason": answer.reason}
        entry = {**told, "seconds": round(answer.seconds, 3)}
        done = replace(self, due_at=None, log=(*self.log, entry)[-_LOGGED:])
        if answer.took:
            return replace(done, delivered_at=now)
        if answer.is_gone or self.tries > len(_PAUSES):
            return done
        pause = _PAUSES[max(self.tries - 1, 0)] * (0.75 + chance / 2)
        pause = max(pause, min(answer.retry_after or 0.0, _LONGEST_WAIT))
        return replace(done, due_at=now + pause)

    def dropped(self, because: str, *, now: float) -> Self:
        """Its endpoint does not want it."""
        entry = {"at": now, "status": None, "reason": because, "seconds": 0.0}
        return replace(self, due_at=None, log=(*self.log, entry)[-_LOGGED:])

    def again(self, *, now: float) -> Self:
        """Somebody asks for it, whatever became of it: it has all its tries once more."""
        return replace(self, due_at=now, tries=0, delivered_at=None)

    def to_json(self) -> dict[str, Any]:
        members = {**asdict(self), "event": str(self.event), "log": [dict(one) for one in self.log]}
        return {name: value for name, value in members.items() if value is not None}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        known = {name: data[name] for name in cls.__slots__ if name in data}
        known.setdefault("due_at", None)
        event = formats.TASK.word(Event, data["event"])
        return cls(**{**known, "event": event, "log": tuple(data.get("log", ()))})


def message_id(subject: str, notification: Notification) -> str:
    """The same for every try, and for every endpoint. `subject`: the id of what it is about."""
    text = f"{subject} {notification.event} {notification.since!r}"
    return f"msg_{hashlib.sha256(text.encode()).hexdigest()[:32]}"


def message(event: str, *, at: float, data: Mapping[str, Any]) -> dict[str, Any]:
    """The body of a message (Standard Webhooks, "Payload structure")."""
    moment = datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds")
    return {"type": event, "timestamp": moment.replace("+00:00", "Z"), "data": dict(data)}
