"""Which tasks a list is about, and in which order."""

from collections.abc import Collection
from dataclasses import dataclass
from enum import StrEnum

from short_drama.domain.kinds import Lane
from short_drama.domain.task import Task
from short_drama.domain.task_state import TaskStatus
from short_drama.domain.task_texts import mentions


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskFilter:
    """All given members must match: one of the statuses, one of the kinds, every label. None and
    empty ones match everything. Times are Unix seconds.

    `text`: in the id, a prompt or a label, as `domain.task_texts` finds it. `derived_from`: a task
    whose result went in. `is_deleted`: those that are deleted, instead of all others."""

    owner: str | None = None
    lane: Lane | None = None
    statuses: Collection[TaskStatus] = ()
    kinds: Collection[str] = ()
    labels: Collection[tuple[str, str]] = ()
    created_after: float | None = None
    """Then or later."""
    created_before: float | None = None
    """Earlier than then."""
    text: str | None = None
    derived_from: str | None = None
    is_deleted: bool = False

    def matches(self, task: Task) -> bool:
        return (
            self.owner in (None, task.owner)
            and self.lane in (None, task.lane)
            and (not self.statuses or task.status in self.statuses)
            and (not self.kinds or task.kind in self.kinds)
            and all(task.labels.get(key) == value for key, value in self.labels)
            and (self.created_after is None or task.created_at >= self.created_after)
            and (self.created_before is None or task.created_at < self.created_before)
            and (self.text is None or mentions(task, self.text))
            and (self.derived_from is None or task.is_derived_from(self.derived_from))
            and self.is_deleted == (task.deleted_at is not None)
        )


class Order(StrEnum):
    """Of lists. `SHOT`: tasks of one owner that are for a shot, in the order of the shots, those of
    one shot oldest first."""

    NEWEST = "newest"
    OLDEST = "oldest"
    SHOT = "shot"
