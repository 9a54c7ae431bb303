"""The queue message: a pointer to the task, in the shape every worker of the system reads."""

import json
from dataclasses import dataclass, field
from typing import Any, Self

from pydantic_core import to_json

from short_drama.domain import formats
from short_drama.domain.task import Task


class MalformedMessage(ValueError):
    """The body is not a message of ours."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskMessage:
    """`request_body` and `traceparent` are there for whoever reads a queue."""

    task_id: str
    task_type: str
    api_path: str
    request_body: dict[str, Any] = field(default_factory=dict)
    traceparent: str | None = None
    version: int = formats.MESSAGE.known

    @classmethod
    def of(cls, task: Task) -> Self:
        return cls(
            task_id=task.task_id,
            task_type=task.kind,
            api_path=task.job_type,
            request_body=dict(task.request),
            traceparent=task.traceparent,
        )

    def to_body(self) -> str:
        body = {
            "version": self.version,
            "task_id": self.task_id,
            "task_type": self.task_type,
            "api_path": self.api_path,
            "request_body": self.request_body,
        }
        if self.traceparent is not None:
            body["traceparent"] = self.traceparent
        return to_json(body).decode()

    @classmethod
    def from_body(cls, body: str) -> Self:
        """Raises MalformedMessage on anything that does not name a task, and NewerFormat where a
        newer release may name it in another way."""
        data: Any = None
        try:
            data = json.loads(body)
            return cls(
                version=_number(data.get("version", formats.FIRST)),
                task_id=_text(data["task_id"]),
                task_type=_text(data["task_type"]),
                api_path=_text(data["api_path"]),
            )
        except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
            if isinstance(data, dict):
                formats.MESSAGE.require_known(data, member="version")
            raise MalformedMessage(f"not a task message: {type(error).__name__}") from error

    def require_known(self) -> None:
        """Raises NewerFormat: who works on the task must understand all that the message says."""
        formats.MESSAGE.require_known({"version": self.version}, member="version")


def _number(value: object) -> int:
    if type(value) is not int:
        raise TypeError("expected a whole number")
    return value


def _text(value: object) -> str:
    if not isinstance(value, str) or not 1 <= len(value) <= 200:
        raise TypeError("expected a short string")
    return value
