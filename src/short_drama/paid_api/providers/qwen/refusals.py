"""What Qwen3-VL's refusals mean to us, by the message, the provider's code, else the status.

Codes are those of Model Studio's public list, each in two spellings: `DataInspectionFailed` and
`data_inspection_failed` are one. The parts of a dotted code count from the left. What is refused is
not charged.
"""

import re
from collections.abc import Mapping
from http import HTTPStatus
from typing import Final

from short_drama.domain.errors import ShortDramaError
from short_drama.paid_api.providers.calls import CallRefused
from short_drama.paid_api.providers.refusals import (
    Content,
    FailedCall,
    Meaning,
    Operator,
    Picture,
    by_status,
    failed,
    made_nothing,
    ours,
    outcome_unknown,
    slow_down,
    without_refusal,
)

NAME: Final = "Qwen3-VL"


def classify(error: FailedCall) -> ShortDramaError:
    """The error to raise. An answer 200 that tells of a fault is a CallRefused with status 200.

    ContentRefused and ImageRejected are the caller's, and EngineFailed is ours; ProviderPaused
    needs an operator; Throttled, ProviderFailed, EngineUnavailable and ChargeUnknown pass.
    """
    if isinstance(error, CallRefused):
        return _meaning(error)(NAME, error)
    return without_refusal(NAME, error)


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
    return by_status(refused, _STATUSES)


def _normalised(code: str) -> str:
    return re.sub(r"[\s_]", "", code).lower()


_PICTURE: Final = Picture("the picture", "Use another picture, or the same one scaled down.")
_CONTENT: Final = Content(
    "the picture or the words may be inappropriate",
    "Use another still, or plainer words; or let the local face engine do it: it asks no provider.",
)
_RIGHTS: Final = Content(
    "the picture may infringe somebody's rights",
    "Use a still without known characters or logos, or let the local face engine do it.",
)
_KEY: Final = Operator(
    "the API key is refused",
    "Check Qwen's API key, SHORT_DRAMA_DASHSCOPE_API_KEY, and that the base URL is that of the "
    "key's region.",
)
_OVERDUE: Final = Operator("a bill is overdue", "Pay it in the provider's console.")
_ACCESS: Final = Operator(
    "the API key or the account may not use this model", "Allow it in the provider's console."
)
_CLOSED: Final = Operator(
    "the model is not bought for this account", "Open it in the provider's console."
)
_FREE_QUOTA: Final = Operator(
    "the free quota is used up",
    "Turn off free-quota-only use in the provider's console, or wait for a new quota.",
)
_NO_MODEL: Final = Operator(
    "there is no such model for this key, or not at this address",
    "Check the name of the model and the base URL.",
)

_MESSAGES: Final[dict[str, Meaning]] = {
    "free allocated quota exceeded": _FREE_QUOTA,
    "url error, please check url": _NO_MODEL,
    "failed to download multimodal content": failed,
    "download the media resource timed out": failed,
    "exceeded limit on max bytes per data-uri item": _PICTURE,
    "multimodal file size is too large": _PICTURE,
    "the image length and width do not meet the model restrictions": _PICTURE,
    "missing content-length of multimodal url": ours,
}
"""Where the code alone, or the status, would mean something else."""
_CODES: Final[dict[str, Meaning]] = {
    "invalidparameter": ours,
    "invalidparametererror": ours,
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
    "throttling": slow_down,
    "limitrequests": slow_down,
    "limitburstrate": slow_down,
    "insufficientquota": slow_down,  # of tokens in this minute, whatever it sounds like
    "commoditynotpurchased": _CLOSED,
    "prepaidbilloverdue": _OVERDUE,
    "postpaidbilloverdue": _OVERDUE,
    "internalerror": failed,
    "systemerror": failed,
    "modelservicefailed": failed,
    "requesttimeout": failed,
    "modelservingerror": failed,
    "modelunavailable": failed,
    "serviceunavailable": failed,
    "gatewaytimeout": failed,
}
"""Without underscores and in lower case."""
_STATUSES: Final[Mapping[int, Meaning]] = {
    HTTPStatus.OK: made_nothing,
    HTTPStatus.UNAUTHORIZED: _KEY,
    HTTPStatus.PAYMENT_REQUIRED: _OVERDUE,
    HTTPStatus.FORBIDDEN: _ACCESS,
    HTTPStatus.NOT_FOUND: _NO_MODEL,
    HTTPStatus.REQUEST_TIMEOUT: failed,
    HTTPStatus.CONFLICT: failed,
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: _PICTURE,
    HTTPStatus.TOO_MANY_REQUESTS: slow_down,
    HTTPStatus.GATEWAY_TIMEOUT: outcome_unknown,
}
