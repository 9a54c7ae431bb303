"""How long things are kept: one rule for all backends, each of which applies it its own way."""

from dataclasses import dataclass
from typing import Final

from short_drama.domain import asset_keys

DAY: Final = 24 * 60 * 60.0
_HOUR: Final = 60 * 60
_MOST_NOTES = 30
"""Days for which what was paid for need not be paid again."""
MARGIN: Final = 30
"""Days that an object store, which knows of no task, keeps more: a task may be open for so long."""
SPEND_DAYS: Final = 400
"""Of the page of a task's spending: bills come late, and years are compared."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lifetimes:
    """In days; 0 is for ever. `tasks`: since a task has ended; `uploads`: of one that no task
    names, since it was put or renewed; `audit`: of its lines, since they were written; `deleted`:
    since a task was deleted."""

    tasks: int
    uploads: int
    audit: int = 0
    deleted: int = 30

    def ended_before(self, now: float) -> float | None:
        """What ended before then goes; None where nothing does."""
        return now - self.tasks * DAY if self.tasks else None

    def line_until(self, at: float) -> int | None:
        """When a line of the audit may go that is written at `at`; None is never."""
        return int(at + self.audit * DAY) if self.audit else None

    def goes_at(self, *, ended_at: float | None, deleted_at: float | None) -> float | None:
        """When a task goes; None for one that stays."""
        ends = ((ended_at, self.tasks), (deleted_at, self.deleted))
        return min((at + days * DAY for at, days in ends if at is not None and days), default=None)

    def unnamed(self, key: str) -> float | None:
        """Seconds for which a file that no task names is kept: since it was put, or renewed. None
        is for ever.

        Notes of work under way are named by open tasks only, and serve retries for a while; what
        can be used again serves whoever orders the same, as long as a task would.
        """
        if key.startswith(asset_keys.UPLOADS_PREFIX):
            return self.uploads * DAY or None
        if not self.tasks:
            return None
        if key.startswith(asset_keys.NOTES_PREFIX):
            return min(self.tasks, _MOST_NOTES) * DAY
        if key.startswith(asset_keys.REUSE_PREFIX):
            return self.tasks * DAY
        return DAY if asset_keys.is_public(key) else None

    def by_prefix(self) -> dict[str, int]:
        """Days of objects by what their keys begin with, where nobody knows which tasks name them:
        longer than any task can that ends within `MARGIN` days."""
        days = {asset_keys.INCOMING_PREFIX: 1}
        if self.tasks:
            days |= dict.fromkeys(asset_keys.PUBLIC_PREFIXES, self.tasks + MARGIN)
            days |= {asset_keys.NOTES_PREFIX: _MOST_NOTES, asset_keys.REUSE_PREFIX: self.tasks}
        return days


USUAL: Final = Lifetimes(tasks=90, uploads=1, deleted=30)


def link_ends(now: float, *, hours: int) -> int:
    """Until when a signed address opens something, in Unix seconds: for `hours` and up to one more.
    Within an hour it is the same, so that browsers need not read what they have."""
    return (int(now) // _HOUR + 1 + hours) * _HOUR
