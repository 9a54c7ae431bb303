"""What lists are narrowed to, and how an address says it."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final, Literal, TypedDict

from short_drama.sdk.models import Status


class Where(TypedDict, total=False):
    """What a list is narrowed to. Of several statuses or kinds, any; of several labels, all.

    Moments are Unix seconds or datetimes: `created_after` means then or later, `created_before`
    earlier than then. `text`: in the id, a prompt or a label. `derived_from`: the id of a task
    whose result went in. `deleted`: those that are deleted, instead of others. `owner`: whose, for
    operators.
    """

    status: Status | Sequence[Status] | None
    kind: str | Sequence[str] | None
    label: tuple[str, str] | Mapping[str, str] | None
    created_after: float | datetime | None
    created_before: float | datetime | None
    text: str | None
    derived_from: str | None
    deleted: bool
    owner: str | None


Sort = Literal["newest", "oldest", "shot"]

_WORDS: Final = ("text", "derived_from", "owner")


def query(where: Where) -> dict[str, list[str]]:
    label = where.get("label") or {}
    pairs = label.items() if isinstance(label, Mapping) else [label]
    moments = {
        "created_after": where.get("created_after"),
        "created_before": where.get("created_before"),
    }
    return {
        "status": _several(where.get("status")),
        "kind": _several(where.get("kind")),
        "label": [f"{key}:{value}" for key, value in pairs],
        **{name: [_moment(at)] for name, at in moments.items() if at is not None},
        **{name: [text] for name in _WORDS if (text := where.get(name)) is not None},
        **({"deleted": ["true"]} if where.get("deleted") else {}),
    }


def page_of(cursor: str | None, limit: int) -> dict[str, list[str]]:
    return {"limit": [str(limit)], **({} if cursor is None else {"cursor": [cursor]})}


def _several(given: str | Sequence[str] | None) -> list[str]:
    return [given] if isinstance(given, str) else [*(given or ())]


def _moment(at: float | datetime) -> str:
    return repr(at.timestamp() if isinstance(at, datetime) else float(at))
