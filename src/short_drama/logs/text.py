"""A line for people."""

import json
from collections.abc import Mapping
from typing import Any

from short_drama.domain.letters import visible, visible_json

_HEAD = ("timestamp", "level", "event", "component", "exception", "logger", "version")
_LONG = ("exception", "stack")
"""Members of several lines, which come below."""


def line(record: Mapping[str, Any], *, without: frozenset[str] = frozenset()) -> str:
    """Of one record. `without`: members that whoever reads it knows."""
    clock = str(record.get("timestamp", ""))[11:23]
    level = "" if record.get("level") == "info" else f"{str(record.get('level')).upper()} "
    facts = " ".join(
        f"{_printable(name)}={_value(value)}"
        for name, value in record.items()
        if name not in _HEAD and name not in without and name not in _LONG
    )
    head = f"{clock}  {_printable(record.get('component', '')):<16}  {level}{_event(record)}"
    below = [str(record[name]) for name in _LONG if record.get(name)]
    return "\n".join([visible(f"{head}  {facts}".rstrip()), *map(_indented, below)])


def _event(record: Mapping[str, Any]) -> str:
    return _printable(record.get("event", ""))


def _value(value: object) -> str:
    if isinstance(value, str):
        told = _printable(value)
        return told if told and " " not in told else json.dumps(told, ensure_ascii=False)
    return visible_json(json.dumps(value, ensure_ascii=False))


def _printable(value: object) -> str:
    """What would move a terminal's cursor is spelled out."""
    text = str(value)
    return text if text.isprintable() else repr(text)[1:-1]


def _indented(text: str) -> str:
    return "\n".join("    " + _printable(one) for one in text.splitlines())
