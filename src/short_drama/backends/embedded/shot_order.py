"""Lists of tasks in the order of their shots: one owner's, past the labels that are shots' places.

Of one shot, the earliest task comes first.
"""

import sqlite3
from collections.abc import Sequence
from typing import Any

from short_drama.backends.embedded.row_filters import conditions
from short_drama.backends.embedded.search_labels import OF_SHOT
from short_drama.backends.embedded.task_lists import Found, one_state, page
from short_drama.domain.shots import EPISODE, PROJECT, path, within
from short_drama.ports import TaskFilter

Place = tuple[str, float, int]
"""A shot's, and of a task in it the creation time and number."""
_AFTER_ALL = chr(0x10FFFF)


def by_shot(db: sqlite3.Connection, where: TaskFilter, place: Place | None, limit: int) -> Found:
    """The first `limit` that match, of those beyond `place`; fewer, if they lie far apart."""
    with one_state(db):
        rows = db.execute(*statement(where, place))
        try:
            return page(rows, limit)
        finally:
            rows.close()


def statement(where: TaskFilter, place: Place | None) -> tuple[str, Sequence[Any]]:
    wanted, values = conditions(where)
    times = _times(where)
    matches = " AND ".join(filter(None, [wanted, *(condition for condition, _ in times)]))
    record = f"CASE WHEN {matches} THEN record END" if matches else "record"
    first, last = span(where)
    after = place or (first, 0.0, 0)
    sql = (
        f"SELECT {record}, labels.value, labels.created_at, labels.number"  # noqa: S608
        " FROM labels CROSS JOIN tasks USING (number)"
        " WHERE labels.owner = ? AND labels.key = ? AND labels.value < ?"
        " AND (labels.value, labels.created_at, labels.number) > (?, ?, ?)"
        " ORDER BY labels.value, labels.created_at, labels.number"
    )
    bounds = (where.owner, OF_SHOT, last, *after)
    return sql, (*values, *(at for _, at in times), *bounds)


def span(where: TaskFilter) -> tuple[str, str]:
    """Between which places all shots lie that the filter's labels leave."""
    labels = dict(where.labels)
    if PROJECT not in labels:
        return "", _AFTER_ALL
    return within(path(labels[PROJECT], labels.get(EPISODE)))


def _times(where: TaskFilter) -> list[tuple[str, float]]:
    bounds = {
        "labels.created_at >= ?": where.created_after,
        "labels.created_at < ?": where.created_before,
    }
    return [(condition, at) for condition, at in bounds.items() if at is not None]
