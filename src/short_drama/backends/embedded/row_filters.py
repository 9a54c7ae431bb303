"""What a row of the table of tasks is asked, beside what an index has told of it."""

from collections.abc import Iterator, Sequence
from typing import Any, Final

from short_drama.backends.embedded import search_labels
from short_drama.domain.task_texts import PROMPTS
from short_drama.ports import TaskFilter

DELETED: Final = "deleted"
"""The status of a row whose task is deleted: no list of others comes past it."""

_HAS_LABEL = (
    "EXISTS (SELECT 1 FROM labels AS other WHERE other.owner = tasks.owner AND other.key = ?"
    " AND other.value = ? AND other.created_at = tasks.created_at"
    " AND other.number = tasks.number)"
)
_HAD_LABEL = (
    "EXISTS (SELECT 1 FROM json_each(record, '$.labels') AS own WHERE own.key = ?"
    " AND own.value = ?)"
)
"""What is deleted has no labels but in its record."""
_DERIVED = (
    "EXISTS (SELECT 1 FROM json_each(record, '$.derived_from') AS made"
    " WHERE json_extract(made.value, '$.task_id') = ?)"
)
_IS_LIKE = "LIKE ? ESCAPE '\\'"
_IN_LABELS = (
    "EXISTS (SELECT 1 FROM json_each(record, '$.labels') AS own"  # noqa: S608
    f" WHERE own.key || ':' || own.value {_IS_LIKE})"
)
_PROMPTS = [f"json_extract(record, '$.request.{field}')" for field in PROMPTS]
_MENTIONS = " OR ".join(
    [*(f"{text} {_IS_LIKE}" for text in ("tasks.task_id", *_PROMPTS)), _IN_LABELS]
)

Part = tuple[str, Sequence[Any]]


def conditions(where: TaskFilter) -> Part:
    """In SQL, and its values; empty where every row matches."""
    parts = [*_states(where), *_labels(where), *_texts(where)]
    sql = " AND ".join(condition for condition, _ in parts)
    return sql, [value for _, values in parts for value in values]


def _states(where: TaskFilter) -> Iterator[Part]:
    lanes = [where.lane] if where.lane else []
    status = "json_extract(record, '$.status')" if where.is_deleted else "status"
    for column, wanted in (("lane", lanes), (status, where.statuses), ("kind", where.kinds)):
        if wanted:
            yield f"{column} IN ({', '.join('?' * len(wanted))})", [*wanted]


def _labels(where: TaskFilter) -> Iterator[Part]:
    for label in where.labels:
        yield _HAD_LABEL if where.is_deleted else _HAS_LABEL, label
    if where.derived_from is not None:
        if where.is_deleted:
            yield _DERIVED, [where.derived_from]
        else:
            yield _HAS_LABEL, search_labels.derived(where.derived_from)


def _texts(where: TaskFilter) -> Iterator[Part]:
    if where.text is not None:
        plain = where.text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
        yield f"({_MENTIONS})", [f"%{plain}%"] * (len(PROMPTS) + 2)
