"""What adapters say of their lane, and what follows from it: whether its tasks go on."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any, Final, Self

from short_drama.domain import formats
from short_drama.domain.errors import (
    EngineNotReady,
    EngineStarting,
    KindNotAvailable,
    ProviderPaused,
)

HOLDS_SECONDS: Final = 40.0
"""For how long a notice holds: who is killed is missed no later."""
_WORKER_STOPPED: Final = "worker_stopped"
_NO_WORKER: Final = "no_worker"
_TASKS_WAIT: Final = "Nothing is lost: tasks wait until a worker of the lane runs again."


class LaneState(StrEnum):
    """From the best to the worst."""

    READY = "ready"
    STARTING = "starting"
    PAUSED = "paused"
    """A person has to act: a key, a bill, a missing model."""
    UNAVAILABLE = "unavailable"


_RANKS: Final = {state: rank for rank, state in enumerate(LaneState)}
_STATES: Final = {
    EngineStarting.code: LaneState.STARTING,
    ProviderPaused.code: LaneState.PAUSED,
    EngineNotReady.code: LaneState.PAUSED,
    KindNotAvailable.code: LaneState.PAUSED,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """Whether tasks go on; if not, why, and what helps. `since`: Unix seconds, None where nobody
    knows."""

    since: float | None = None
    code: str | None = None
    """Of the error that keeps them; None while they go on."""
    reason: str | None = None
    fix: str | None = None

    @property
    def state(self) -> LaneState:
        if self.code is None:
            return LaneState.READY
        return _STATES.get(self.code, LaneState.UNAVAILABLE)

    @property
    def waits_for_a_person(self) -> bool:
        """In vain to accept tasks for: what they need is not there at all. A provider that is
        paused, or an engine that starts or is ill, may be back before their turn."""
        return self.code in (EngineNotReady.code, KindNotAvailable.code)


@dataclass(frozen=True, slots=True, kw_only=True)
class KindNotice:
    """Of one kind. `expected_seconds`: what its jobs take in the engine, by the latest."""

    condition: Condition
    engine: str | None = None
    expected_seconds: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LaneNotice:
    """What one adapter says of its lane, until a moment in Unix seconds: of its API service as a
    whole, and of each of its kinds, if it answers."""

    speaker: str
    until: float
    service: Condition
    kinds: Mapping[str, KindNotice] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """Without what is None, and without the speaker."""
        told = formats.NOTICE.marked({"until": self.until, "service": _told(self.service)})
        kinds = {
            name: _told(kind.condition)
            | _present({"engine": kind.engine, "expected_seconds": kind.expected_seconds})
            for name, kind in self.kinds.items()
        }
        return {**told, "kinds": kinds}

    @classmethod
    def from_json(cls, speaker: str, told: Mapping[str, Any]) -> Self:
        """Lenient: another version may say more or less. Raises NewerFormat."""
        formats.NOTICE.require_known(told)
        return cls(
            speaker=speaker,
            until=told["until"],
            service=_condition(told.get("service", {})),
            kinds={
                name: KindNotice(
                    condition=_condition(kind),
                    engine=kind.get("engine"),
                    expected_seconds=kind.get("expected_seconds"),
                )
                for name, kind in told.get("kinds", {}).items()
            },
        )

    def taken_back(self, now: float) -> Self:
        """Its speaker stops."""
        stopped = Condition(since=now, code=_WORKER_STOPPED)
        return type(self)(speaker=self.speaker, until=now, service=stopped)


def best_of_kind(kind: str, notices: Sequence[LaneNotice], *, now: float) -> KindNotice | None:
    """The best that somebody can do, by `notices` that hold or have held; None when it is not
    known."""
    living = [notice for notice in notices if notice.until > now]
    if not living:
        return KindNotice(condition=_away(notices))
    if all(notice.service.code is not None for notice in living):
        return KindNotice(condition=_latest(notice.service for notice in living))
    return min(_said_of(kind, living), key=_goodness, default=None)


def why_in_vain(kind: str, notices: Sequence[LaneNotice], *, now: float) -> Condition | None:
    """What all who say something of the kind wait for, when that is a person."""
    said = _said_of(kind, [notice for notice in notices if notice.until > now])
    if not said or not all(one.condition.waits_for_a_person for one in said):
        return None
    return _latest(one.condition for one in said)


def _said_of(kind: str, notices: Iterable[LaneNotice]) -> list[KindNotice]:
    return [notice.kinds[kind] for notice in notices if kind in notice.kinds]


def condition_of_lane(notices: Sequence[LaneNotice], *, now: float) -> Condition:
    """Whether anything goes on in it: the best of its kinds."""
    names = {name for notice in notices if notice.until > now for name in notice.kinds}
    found = [best_of_kind(name, notices, now=now) for name in sorted(names) or [""]]
    known = [kind for kind in found if kind is not None]
    return min(known, key=_goodness).condition if known else Condition()


def _goodness(kind: KindNotice) -> tuple[int, float]:
    """The state, and of those in the same one, who was in it last."""
    return _RANKS[kind.condition.state], -(kind.condition.since or 0.0)


def _latest(conditions: Iterable[Condition]) -> Condition:
    return max(conditions, key=lambda one: one.since or 0.0)


def _away(lapsed: Sequence[LaneNotice]) -> Condition:
    """Nobody speaks. That may be meant: a lane with nothing to do need not run."""
    last = max(lapsed, key=lambda notice: notice.until, default=None)
    if last is None:
        reason = "no worker runs now"
    elif last.service.code == _WORKER_STOPPED:
        reason = "no worker runs now, the last one was stopped"
    else:
        reason = "no worker answers"
    since = None if last is None else last.until
    return Condition(since=since, code=_NO_WORKER, reason=reason, fix=_TASKS_WAIT)


def _told(condition: Condition) -> dict[str, Any]:
    return _present(asdict(condition))


def _present(members: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in members.items() if value is not None}


def _condition(told: Mapping[str, Any]) -> Condition:
    return Condition(
        since=told.get("since"),
        code=told.get("code"),
        reason=told.get("reason"),
        fix=told.get("fix"),
    )
