"""What is kept and shown of an error that ended a task, a job or an attempt."""

from dataclasses import dataclass
from typing import Any, Self

from short_drama.domain.errors import InternalError, RetryableError, ShortDramaError, leaves


def _uncounted() -> frozenset[str]:
    found = leaves(RetryableError)
    return frozenset(
        leaf.code for leaf in found if issubclass(leaf, RetryableError) and not leaf.counts
    )


_UNCOUNTED = _uncounted()


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """What a failed task or job says of its end; the same shape on the wire and in the record."""

    code: str
    message: str
    retryable: bool = False
    field: str | None = None
    fix: str | None = None
    after: float | None = None
    """Seconds to wait before the next attempt, when known."""

    @property
    def counts(self) -> bool:
        """Whether the attempt counts; by its code, and one that we do not know does."""
        return self.code not in _UNCOUNTED

    @classmethod
    def of(cls, error: ShortDramaError) -> Self:
        return cls(
            code=error.code,
            message=error.detail,
            retryable=error.retryable,
            field=error.field,
            fix=error.fix,
            after=error.after if isinstance(error, RetryableError) else None,
        )

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Self:
        """Read a failure leniently: another writer may know more members or fewer."""
        after = data.get("after")
        return cls(
            code=str(data.get("code", InternalError.code)),
            message=str(data.get("message", "")),
            retryable=bool(data.get("retryable", False)),
            field=data.get("field"),
            fix=data.get("fix"),
            after=after if isinstance(after, int | float) else None,
        )

    def to_json(self) -> dict[str, Any]:
        pairs = ((name, getattr(self, name)) for name in self.__slots__)
        return {name: value for name, value in pairs if value is not None}
