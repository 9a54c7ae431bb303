"""What SeeDream's refusals mean to us, by the provider's own code, else by the status.

Codes are those of Volcano Engine's and BytePlus's public list; the part before the first dot
decides, unless the whole code is listed too. Failed pictures are free: nothing here is a charge.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from http import HTTPStatus
from typing import Final

from short_drama.domain.errors import (
    ChargeUnknown,
    ContentRefused,
    EngineFailed,
    ImageRejected,
    InvalidRequest,
    ProviderFailed,
    ProviderPaused,
    ShortDramaError,
    Throttled,
)
from short_drama.paid_api.providers.endpoint import CallRefused
from short_drama.paid_api.providers.words import reference, said


def classify(refused: CallRefused) -> ShortDramaError:
    """The error to raise. An answer 200 that tells of a fault comes here with status 200.

    ContentRefused, InvalidRequest and ImageRejected are the caller's, and EngineFailed is ours;
    ProviderPaused needs an operator; Throttled, ProviderFailed and ChargeUnknown pass.
    """
    code, status = refused.code, refused.status
    if "Timeout while downloading" in refused.message:
        meaning = _FAILED  # a 400, yet not our fault
    else:
        meaning = _CODES.get(code) or _CODES.get(code.partition(".")[0]) or _by_status(status)
    return meaning(refused)


@dataclass(frozen=True, slots=True)
class _Content:
    what: str
    fix: str
    field: str | None = None

    def __call__(self, refused: CallRefused) -> ShortDramaError:
        return ContentRefused(
            f"SeeDream refused the content: {self.what} {reference(refused)}",
            field=self.field,
            fix=self.fix,
        )


@dataclass(frozen=True, slots=True)
class _Operator:
    """An account or a setting: every call will fail until somebody acts."""

    what: str
    fix: str

    def __call__(self, refused: CallRefused) -> ShortDramaError:
        detail = f"SeeDream takes no calls: {self.what} {reference(refused)}"
        return ProviderPaused(detail, fix=self.fix)


def _parameter(refused: CallRefused) -> ShortDramaError:
    """Whose parameter is it? Names stand in backquotes, or end the code."""
    words = f"{said(refused)} {reference(refused)}"
    names = re.findall(r"(?:`|parameter )(\w+)", refused.message)
    for name in (*names, refused.code.partition(".")[2].lower()):
        if name in ("size", "prompt"):
            detail = f"SeeDream does not take the {name}{words}"
            return InvalidRequest(detail, field=name, fix=f"Change the {name}.")
        if name.startswith("image"):
            return _picture(refused)
    return EngineFailed(f"SeeDream does not take our call{words}")


def _picture(refused: CallRefused) -> ShortDramaError:
    return ImageRejected(
        f"SeeDream does not take one of the pictures{said(refused)} {reference(refused)}",
        fix="Save it as a JPEG of at most 10 MB and 36 megapixels.",
    )


def _ours(refused: CallRefused) -> ShortDramaError:
    return EngineFailed(f"SeeDream does not take our call{said(refused)} {reference(refused)}")


def _slow_down(refused: CallRefused) -> ShortDramaError:
    detail = f"SeeDream asks to slow down {reference(refused)}"
    return Throttled(detail, after=refused.after)


def _failed(refused: CallRefused, what: str = "failed") -> ShortDramaError:
    detail = f"SeeDream {what}{said(refused)} {reference(refused)}"
    return ProviderFailed(detail, after=refused.after)


def _unknown_end(refused: CallRefused) -> ShortDramaError:
    """A gateway that waited no longer: what stands behind it may have gone on."""
    detail = f"SeeDream's gateway gave no answer, and the call may be charged {reference(refused)}"
    return ChargeUnknown(detail)


Meaning = Callable[[CallRefused], ShortDramaError]
_FAILED: Final[Meaning] = _failed

_PROMPT: Final = _Content(
    "the prompt may hold sensitive words",
    "Reword the prompt: leave out names, violence and nudity.",
    "prompt",
)
_INPUT: Final = _Content(
    "one of the pictures may show something sensitive",
    "Use another still or another portrait, without violence or nudity.",
)
_POLICY: Final = _Content(
    "one of the pictures may break the provider's rules, a copyright or a trade mark",
    "Use pictures that you hold the rights to, without known characters or logos.",
)
_PRIVATE: Final = _Content(
    "one of the pictures may show a real person",
    "Use a portrait that the provider accepts, such as a drawn or a made one, or let the local "
    "face engine do it: it asks no provider.",
)
_OUTPUT: Final = _Content(
    "the picture it made may be sensitive and is withheld",
    "Try once more, as each try makes another picture; then change the prompt or the pictures.",
)
_DEEPFAKE: Final = _Content(
    "the picture it made may pass for a real person and is withheld",
    "Use another portrait, or let the local face engine do it: it asks no provider.",
)
_SOMETHING: Final = _Content(
    "the prompt or a picture may be sensitive", "Change the prompt or use other pictures."
)
_KEY: Final = _Operator(
    "the API key is refused",
    "Check SeeDream's API key, and that the base URL is that of the key's region.",
)
_ACCOUNT: Final = _Operator(
    "the account is not in order", "Look at the account in the provider's console."
)
_OVERDUE: Final = _Operator("a bill is overdue", "Pay it in the provider's console.")
_ACCESS: Final = _Operator(
    "the API key may not use this model", "Allow it in the provider's console."
)
_QUOTA: Final = _Operator(
    "the quota is used up", "Raise the quota or the spending limit in the provider's console."
)
_CLOSED: Final = _Operator(
    "the service or model is not open to this account", "Open it in the provider's console."
)
_NO_MODEL: Final = _Operator(
    "there is no such model or endpoint for this key",
    "Check the name of the model, and open the model in the provider's console.",
)

_CODES: Final[dict[str, Meaning]] = {
    "InvalidParameter": _parameter,
    "MissingParameter": _ours,
    "InvalidImageURL": _picture,
    "InputTextSensitiveContentDetected": _PROMPT,
    "InputImageSensitiveContentDetected": _INPUT,
    "InputImageSensitiveContentDetected.PolicyViolation": _POLICY,
    "InputImageSensitiveContentDetected.PrivacyInformation": _PRIVATE,
    "InputImageRiskDetection": _INPUT,
    "SensitiveContentDetected": _SOMETHING,
    "ContentSecurityDetectionError": _SOMETHING,
    "OutputImageSensitiveContentDetected": _OUTPUT,
    "OutputImageSensitiveContentDetected.DeepFake": _DEEPFAKE,
    "OutputImageRiskDetection": _OUTPUT,
    "AuthenticationError": _KEY,
    "InvalidAccountStatus": _ACCOUNT,
    "AccountOverdueError": _OVERDUE,
    "AccessDenied": _ACCESS,
    "OperationDenied": _CLOSED,
    "OperationDenied.ServiceOverdue": _OVERDUE,
    "InvalidEndpoint": _NO_MODEL,
    "InvalidEndpointOrModel": _NO_MODEL,
    "ModelNotOpen": _CLOSED,
    "UnsupportedModel": _NO_MODEL,
    "QuotaExceeded": _QUOTA,
    "SetLimitExceeded": _QUOTA,
    "ModelAccountIpmRateLimitExceeded": _slow_down,
    "ModelAccountRpmRateLimitExceeded": _slow_down,
    "ModelAccountTpmRateLimitExceeded": _slow_down,
    "APIAccountRpmRateLimitExceeded": _slow_down,
    "RateLimitExceeded": _slow_down,
    "AccountRateLimitExceeded": _slow_down,
    "RequestBurstTooFast": _slow_down,
    "InflightBatchsizeExceeded": _slow_down,
    "ModelLoadingError": _slow_down,
    "ServerOverloaded": _slow_down,
    "InternalServiceError": _FAILED,
}
_STATUSES: Final[dict[int, Meaning]] = {
    HTTPStatus.OK: partial(_failed, what="made no picture"),
    HTTPStatus.UNAUTHORIZED: _KEY,
    HTTPStatus.PAYMENT_REQUIRED: _ACCOUNT,
    HTTPStatus.FORBIDDEN: _ACCESS,
    HTTPStatus.NOT_FOUND: _NO_MODEL,
    HTTPStatus.REQUEST_TIMEOUT: _FAILED,
    HTTPStatus.TOO_MANY_REQUESTS: _slow_down,
    HTTPStatus.GATEWAY_TIMEOUT: _unknown_end,
}


def _by_status(status: int) -> Meaning:
    return _STATUSES.get(status, _FAILED if status >= 500 else _ours)
