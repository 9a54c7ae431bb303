"""From the standard library's records to lines, with what structlog knows of the context.

A line is one JSON object. What is time, level and event comes first, then where it was said, then
the ids that the context knows, then the facts of this line.
"""

import functools
import json
import logging
import math
from collections.abc import Callable, Mapping, MutableMapping
from datetime import UTC, datetime
from typing import Any

from structlog.contextvars import merge_contextvars
from structlog.processors import format_exc_info

from short_drama.logs.redaction import Redactor

_LONGEST = 16_384
"""Characters of one value: a traceback fits in, a picture does not."""
_DEEPEST = 8
"""Mappings and lists inside each other."""

_IDS = ("task_id", "job_id", "attempt", "kind", "lane", "owner", "request_id", "trace_id")
"""What the context knows comes in any order."""

_OF_EVERY_RECORD = frozenset(logging.makeLogRecord({}).__dict__) | {"message", "asctime"}
"""Attributes that are no `extra`."""

Event = MutableMapping[str, Any]

_in_json = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


class LineFormatter(logging.Formatter):
    """Args:
    component: who speaks, where the context does not say.
    """

    def __init__(self, redactor: Redactor, *, component: str, version: str) -> None:
        super().__init__()
        self._clean = Cleaner(redactor)
        self._component, self._version = component, version

    def format(self, record: logging.LogRecord) -> str:
        event = self._shape(_told(record), record)
        told = {"timestamp": event.pop("timestamp"), "level": event.pop("level")}
        return _in_json(told | self._clean.members(event, _DEEPEST))

    def _shape(self, event: Event, record: logging.LogRecord) -> Event:
        facts = {str(name): value for name, value in event.items()}
        head = {
            "timestamp": _moment(facts.pop("at", None), record),
            "level": record.levelname.lower(),
            "event": facts.pop("event"),
            "component": facts.pop("component", self._component),
        }
        tail = {"logger": record.name, "version": self._version}
        for name in ("timestamp", "level", *tail):
            facts.pop(name, None)  # those of the line are ours to say
        ids = {name: facts.pop(name) for name in _IDS if name in facts}
        return head | ids | facts | tail


def _told(record: logging.LogRecord) -> Event:
    """What is said, what the context knows, and what was told as `extra`, which knows better."""
    event: Event = {"event": record.getMessage()}
    if record.exc_info:
        event["exc_info"] = record.exc_info
    if record.stack_info:
        event["stack_info"] = record.stack_info
    merge_contextvars(None, "", event)
    for name, value in record.__dict__.items():
        if name not in _OF_EVERY_RECORD:
            event[name] = value
    return format_exc_info(None, "", event)


class Cleaner:
    """Makes JSON of anything, without what is secret in it."""

    def __init__(self, redactor: Redactor) -> None:
        self._text: Callable[[str], str] = redactor.text

    def members(self, found: Mapping[Any, Any], depth: int) -> dict[str, Any]:
        text, value = self.text, self.value
        return {text(_said(name)): value(fact, depth) for name, fact in found.items()}

    def value(self, value: object, depth: int) -> Any:
        if value is None or value is True or value is False:
            return value
        if isinstance(value, str):
            return self.text(str(value))
        if isinstance(value, int | float):
            said = repr(value)
            return value if math.isfinite(value) and self.text(said) == said else self.text(said)
        if depth > 0:
            if isinstance(value, Mapping):
                return self.members(value, depth - 1)
            if isinstance(value, list | tuple | set | frozenset):
                return [self.value(one, depth - 1) for one in value]
        return self.text(_said(value))

    def text(self, text: str) -> str:
        """Cut when it is long, but not before it has been looked through."""
        clean = self._text(text)
        return clean if len(clean) <= _LONGEST else f"{clean[:_LONGEST]}... ({len(clean)})"


def _said(value: object) -> str:
    if isinstance(value, str):
        return str(value)
    try:
        if isinstance(value, bytes | bytearray):
            return bytes(value).decode(errors="backslashreplace")
        return repr(value)
    except Exception as error:  # a line is not lost for one of its facts
        return f"<{type(value).__name__} that cannot be shown: {type(error).__name__}>"


def _moment(at: object, record: logging.LogRecord) -> str:
    """UTC, in milliseconds. `at`: when it happened, where that is not when it is told."""
    seconds = at if isinstance(at, int | float) else record.created
    moment = round(seconds * 1e6) // 1000
    return f"{_second(moment // 1000)}.{moment % 1000:03}Z"


@functools.lru_cache(maxsize=16)
def _second(seconds: int) -> str:
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}"
