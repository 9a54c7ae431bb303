"""What a service says of its kinds of task, as a client reads it."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from pydantic import Field

from short_drama.sdk.models import Shape


class Price(Shape):
    """Of a task's calls to providers, in `currency`."""

    currency: str
    at_most: float


class KindLimits(Shape):
    """Of images that are sent, and of a request; what fields may be is in the kind's schema."""

    image_bytes: int
    image_pixels: int
    image_side: int
    image_types: list[str]
    request_bytes: int


class KindView(Shape):
    """A kind of task. `available`: whether tasks of it go on now, null where nobody can say; else
    `state`, `since` (Unix seconds), `reason` and `fix` are those of a task's `lane`. `accepted`:
    whether they are taken now, which those of a kind that waits for a person are not.
    `expected_seconds`: what its engine takes, by the latest ones. `models`: of providers, or the
    sets of models that may do it. `poses`: what the camera can be asked for, by who does it.
    `request_schema`: of what is submitted, in JSON Schema."""

    name: str
    lane: str
    summary: str = ""
    available: bool | None = None
    accepted: bool = True
    state: Literal["ready", "starting", "paused", "unavailable"] | None = None
    since: float | None = None
    reason: str | None = None
    fix: str | None = None
    engine: str | None = None
    models: Sequence[str] = ()
    expected_seconds: float | None = None
    price: Price | None = None
    image_fields: Sequence[str] = ()
    poses: dict[str, Any] | None = None
    limits: KindLimits | None = None
    example: Mapping[str, Any] = Field(default_factory=dict)
    request_schema: Mapping[str, Any] = Field(default_factory=dict)


class KindList(Shape):
    """Those of one lane: the other's orchestrator has the others."""

    lane: str | None = None
    kinds: list[KindView]
