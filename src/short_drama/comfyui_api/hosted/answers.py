"""What the server says of a job, and what its refusals mean to us.

Shapes are those of the contract (`openapi-v2.yaml`, version 2.0.0), recorded from comfy-api-proxy
0.1.6. Lenient: whatever is missing is taken as not said.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any

from short_drama.comfyui_api.server.endings import Ending, SavedImage, execution_failure
from short_drama.comfyui_api.server.refusals import PromptLost, read_refusal
from short_drama.domain.errors import (
    EngineFailed,
    EngineInterrupted,
    ImageRejected,
    ProviderPaused,
    ShortDramaError,
    Throttled,
    Unavailable,
)

ACCOUNT_SECONDS = 60.0
"""Between two tries while the account may not run jobs."""
_LONGEST_WORDS = 200
_OPERATORS: Mapping[int, tuple[str, str]] = {
    HTTPStatus.UNAUTHORIZED: (
        "the key is missing or wrong",
        "Set SHORT_DRAMA_COMFY_V2_KEY to an API key of the account, or to the proxy's --token.",
    ),
    HTTPStatus.FORBIDDEN: (
        "the key may not run jobs here",
        "Check that the key's subscription includes the API, and that the address is its own.",
    ),
    HTTPStatus.PAYMENT_REQUIRED: (
        "the account has no credits left",
        "Top up the account; the tasks wait meanwhile.",
    ),
}
_STOPPED = "the deployment is stopped", "Start it again."


@dataclass(frozen=True, slots=True)
class Output:
    """A file that a node has made; `asset` is what its bytes are asked for by."""

    asset: str
    node: str
    is_image: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class HostedJob:
    """`seconds`: of the execution, by the server's clock. `usage`: whole numbers that it measured,
    by name, such as `queue_ms`."""

    id: str
    status: str
    progress: Mapping[str, Any]
    outputs: Sequence[Output] = ()
    error: Mapping[str, Any]
    seconds: float | None = None
    usage: Mapping[str, int]

    def ending(self) -> Ending | None:
        """How it ended, unless it has not, or was lost."""
        failure: ShortDramaError | None
        match self.status:
            case "succeeded":
                failure = None
            case "canceled":
                failure = EngineInterrupted("the hosted ComfyUI was told to stop the job")
            case "failed":
                failure = execution_failure(
                    {
                        "node_id": self.error.get("node_id"),
                        "node_type": self.error.get("class_type"),
                        "exception_message": self.error.get("message"),
                    }
                )
            case _:
                return None
        facts = {"hosted_job_id": self.id, **self.usage}
        return Ending(images=self._images(), seconds=self.seconds, failure=failure, facts=facts)

    def _images(self) -> dict[str, tuple[SavedImage, ...]]:
        found: dict[str, tuple[SavedImage, ...]] = {}
        for output in self.outputs:
            if output.is_image:
                saved = (*found.get(output.node, ()), SavedImage(output.asset))
                found[output.node] = saved
        return found


def read_job(told: Mapping[str, Any]) -> HostedJob:
    """Raises Unavailable for an object that is no job."""
    identity, status = told.get("id"), told.get("status")
    if not (isinstance(identity, str) and identity and isinstance(status, str)):
        raise Unavailable("the answer of Comfy API v2 is no job")
    usage = {name: value for name, value in mapping(told.get("metrics")).items() if _whole(value)}
    return HostedJob(
        id=identity,
        status=status,
        progress=mapping(told.get("progress")),
        outputs=_outputs(told.get("outputs")),
        error=mapping(told.get("error")),
        seconds=_seconds(told, usage),
        usage=usage,
    )


def refusal(status: int, told: Mapping[str, Any], *, after: float | None) -> ShortDramaError:
    """What an answer that is no success means.

    Args:
        told: the `error` of its body.
        after: seconds to wait, as the answer's Retry-After says.
    """
    code, words = str(told.get("code") or "")[:60], str(told.get("message") or "")
    said = f"{status} {code}: {words[:_LONGEST_WORDS]}"
    if status in _OPERATORS or code == "deployment_stopped":
        what, fix = _OPERATORS.get(status, _STOPPED)
        detail = f"Comfy API v2 takes no jobs: {what} ({status} {code})"
        return ProviderPaused(detail, fix=fix, after=after or ACCOUNT_SECONDS)
    if status == HTTPStatus.TOO_MANY_REQUESTS:
        return Throttled(f"Comfy API v2 asks to wait ({said})", after=after)
    if status == HTTPStatus.REQUEST_ENTITY_TOO_LARGE:
        return ImageRejected(f"Comfy API v2 takes no file of this size ({said})")
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return Unavailable(f"Comfy API v2 failed ({said})")
    return EngineFailed(f"Comfy API v2 refused the request ({said})")


def workflow_refusal(told: Mapping[str, Any]) -> Exception:
    """What it means that a workflow was refused: EngineNotReady where a model or a node is missing,
    PromptLost where an input file is, else EngineFailed."""
    if told.get("code") == "missing_asset":
        return PromptLost("Comfy API v2 no longer has an input")
    nodes = mapping(mapping(told.get("details")).get("node_errors"))
    return read_refusal(
        {
            "error": {"type": "invalid_prompt", "message": told.get("message")},
            "node_errors": {node: _node_errors(node, faults) for node, faults in nodes.items()},
        }
    )


def mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _node_errors(node: str, faults: object) -> Mapping[str, Any]:
    """ComfyUI's own form, in which the proxy passes them on, of either form."""
    if isinstance(faults, Mapping):
        return faults
    listed = faults if isinstance(faults, list) else ()
    errors = [
        {
            "message": str(mapping(fault).get("reason") or "not valid"),
            "extra_info": {"input_name": mapping(fault).get("field")},
        }
        for fault in listed
    ]
    return {"class_type": "a node", "errors": errors}


def _outputs(listed: object) -> tuple[Output, ...]:
    found = [told for told in (listed if isinstance(listed, list) else ()) if mapping(told)]
    return tuple(
        Output(str(told["id"]), str(told.get("node_id", "")), told.get("type") == "image")
        for told in found
        if told.get("id")
    )


def _seconds(told: Mapping[str, Any], usage: Mapping[str, int]) -> float | None:
    if "execution_ms" in usage:
        return usage["execution_ms"] / 1000
    started, completed = _time(told.get("started_at")), _time(told.get("completed_at"))
    if started is None or completed is None or completed < started:
        return None
    return round((completed - started).total_seconds(), 3)


def _time(value: object) -> datetime | None:
    try:
        told = datetime.fromisoformat(str(value))
        return told if told.tzinfo else told.replace(tzinfo=UTC)
    except ValueError:
        return None


def _whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**53
