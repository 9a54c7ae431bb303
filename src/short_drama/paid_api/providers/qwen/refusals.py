"""What Qwen3-VL's refusals mean to us, by the message, the provider's code, else the status.

Codes are those of Model Studio's public list, each in two spellings: `DataInspectionFailed` and
`data_inspection_failed` are one. The parts of a dotted code count from the left. What is refused is
not charged.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final

from short_drama.domain.errors import (
    ChargeUnknown,
    ContentRefused,
    EngineFailed,
    EngineUnavailable,
    ImageRejected,
    ProviderFailed,
    ProviderPaused,
    ShortDramaError,
    Throttled,
)
from short_drama.paid_api.providers.endpoint import CallNotSent, CallRefused, CallUnanswered
from short_drama.paid_api.providers.words import reference, said


def classify(error: CallRefused | CallNotSent | CallUnanswered) -> ShortDramaError:
    """The error to raise. An answer 200 that tells of a fault is a CallRefused with status 200.

    ContentRefused and ImageRejected are the caller's, and EngineFailed is ours; ProviderPaused
    needs an operator; Throttled, ProviderFailed, EngineUnavailable and ChargeUnknown pass.
    """
    if isinstance(error, CallNotSent):
        return EngineUnavailable(f"Qwen3-VL cannot be reached ({error})")
    if isinstance(error, CallUnanswered):
        return ChargeUnknown(f"Qwen3-VL gave no answer and may have charged for the call ({error})")
    return _meaning(error)(error)


Meaning = Callable[[CallRefused], ShortDramaError]


def _meaning(refused: CallRefused) -> Meaning:
    said = refused.message.lower()
    for words, meaning in _MESSAGES.items():
        if words in said:
            return meaning
    code = _normalised(refused.code)
    while code:
        if code in _CODES:
            return _CODES[code]
        code = code.rpartition(".")[0]
    return _STATUSES.get(refused.status, _failed if refused.status >= 500 else _ours)


def _normalised(code: str) -> str:
    return re.sub(r"[\s_]", "", code).lower()


@dataclass(frozen=True, slots=True)
class _Content:
    what: str
    fix: str

    def __call__(self, refused: CallRefused) -> ShortDramaError:
        detail = f"Qwen3-VL refused the content: {self.what} {reference(refused)}"
        return ContentRefused(detail, fix=self.fix)


@dataclass(frozen=True, slots=True)
class _Operator:
    """An account or a setting: every call will fail until somebody acts."""

    what: str
    fix: str

    def __call__(self, refused: CallRefused) -> ShortDramaError:
        detail = f"Qwen3-VL takes no calls: {self.what} {reference(refused)}"
        return ProviderPaused(detail, fix=self.fix)


def _picture(refused: CallRefused) -> ShortDramaError:
    return ImageRejected(
        f"Qwen3-VL does not take the picture{said(refused)} {reference(refused)}",
        fix="Use another picture, or the same one scaled down.",
    )


def _ours(refused: CallRefused) -> ShortDramaError:
    return EngineFailed(f"Qwen3-VL does not take our call{said(refused)} {reference(refused)}")


def _slow_down(refused: CallRefused) -> ShortDramaError:
    detail = f"Qwen3-VL asks to slow down {reference(refused)}"
    return Throttled(detail, after=refused.after)


def _failed(refused: CallRefused) -> ShortDramaError:
    detail = f"Qwen3-VL failed{said(refused)} {reference(refused)}"
    return ProviderFailed(detail, after=refused.after)


def _unknown_end(refused: CallRefused) -> ShortDramaError:
    """A gateway that waited no longer: what stands behind it may have gone on."""
    return ChargeUnknown(
        f"Qwen3-VL's gateway gave no answer, and the call may be charged {reference(refused)}"
    )


_CONTENT: Final = _Content(
    "the picture or the words may be inappropriate",
    "Use another still, or plainer words; or let the local face engine do it: it asks no provider.",
)
_RIGHTS: Final = _Content(
    "the picture may infringe somebody's rights",
    "Use a still without known characters or logos, or let the local face engine do it.",
)
_KEY: Final = _Operator(
    "the API key is refused",
    "Check Qwen's API key, and that the base URL is that of the key's region.",
)
_OVERDUE: Final = _Operator("a bill is overdue", "Pay it in the provider's console.")
_ACCESS: Final = _Operator(
    "the API key or the account may not use this model", "Allow it in the provider's console."
)
_CLOSED: Final = _Operator(
    "the model is not bought for this account", "Open it in the provider's console."
)
_FREE_QUOTA: Final = _Operator(
    "the free quota is used up",
    "Turn off free-quota-only use in the provider's console, or wait for a new quota.",
)
_NO_MODEL: Final = _Operator(
    "there is no such model for this key, or not at this address",
    "Check the name of the model and the base URL.",
)

_MESSAGES: Final[dict[str, Meaning]] = {
    "free allocated quota exceeded": _FREE_QUOTA,
    "url error, please check url": _NO_MODEL,
    "failed to download multimodal content": _failed,
    "download the media resource timed out": _failed,
    "exceeded limit on max bytes per data-uri item": _picture,
    "multimodal file size is too large": _picture,
    "the image length and width do not meet the model restrictions": _picture,
    "missing content-length of multimodal url": _ours,
}
"""Where the code alone, or the status, would mean something else."""
_CODES: Final[dict[str, Meaning]] = {
    "invalidparameter": _ours,
    "invalidparametererror": _ours,
    "datainspectionfailed": _CONTENT,
    "ipinfringementsuspect": _RIGHTS,
    "arrearage": _OVERDUE,
    "invalidapikey": _KEY,
    "notauthorized": _KEY,
    "accessdenied": _ACCESS,
    "accessdenied.unpurchased": _CLOSED,
    "model.accessdenied": _ACCESS,
    "allocationquota.freetieronly": _FREE_QUOTA,
    "modelnotfound": _NO_MODEL,
    "model.notexist": _NO_MODEL,
    "modelnotsupported": _NO_MODEL,
    "throttling": _slow_down,
    "limitrequests": _slow_down,
    "limitburstrate": _slow_down,
    "insufficientquota": _slow_down,  # of tokens in this minute, whatever it sounds like
    "commoditynotpurchased": _CLOSED,
    "prepaidbilloverdue": _OVERDUE,
    "postpaidbilloverdue": _OVERDUE,
    "internalerror": _failed,
    "systemerror": _failed,
    "modelservicefailed": _failed,
    "requesttimeout": _failed,
    "modelservingerror": _failed,
    "modelunavailable": _failed,
    "serviceunavailable": _failed,
    "gatewaytimeout": _failed,
}
"""Without underscores and in lower case."""
_STATUSES: Final[dict[int, Meaning]] = {
    HTTPStatus.OK: _failed,
    HTTPStatus.UNAUTHORIZED: _KEY,
    HTTPStatus.PAYMENT_REQUIRED: _OVERDUE,
    HTTPStatus.FORBIDDEN: _ACCESS,
    HTTPStatus.NOT_FOUND: _NO_MODEL,
    HTTPStatus.REQUEST_TIMEOUT: _failed,
    HTTPStatus.CONFLICT: _failed,
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: _picture,
    HTTPStatus.TOO_MANY_REQUESTS: _slow_down,
    HTTPStatus.GATEWAY_TIMEOUT: _unknown_end,
}
