"""What SeeDream's refusals mean to us, by the provider's own code, else by the status.

Codes are those of Volcano Engine's and BytePlus's public list; the part before the first dot
decides, unless the whole code is listed too. Failed pictures are free: nothing here is a charge.
"""

import re
from collections.abc import Mapping
from http import HTTPStatus
from typing import Final

from short_drama.domain.errors import EngineFailed, InvalidRequest, ShortDramaError
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
from short_drama.paid_api.providers.words import reference, said

NAME: Final = "SeeDream"


def classify(error: FailedCall) -> ShortDramaError:
    """The error to raise. An answer 200 that tells of a fault is a CallRefused with status 200.

    ContentRefused, InvalidRequest and ImageRejected are the caller's, and EngineFailed is ours;
    ProviderPaused needs an operator; Throttled, ProviderFailed, EngineUnavailable and ChargeUnknown
    pass.
    """
    if isinstance(error, CallRefused):
        return _meaning(error)(NAME, error)
    return without_refusal(NAME, error)


def _meaning(refused: CallRefused) -> Meaning:
    if "Timeout while downloading" in refused.message:
        return failed  # a 400, yet not our fault
    code = refused.code
    listed = _CODES.get(code) or _CODES.get(code.partition(".")[0])
    return listed or by_status(refused, _STATUSES)


def _parameter(name: str, refused: CallRefused) -> ShortDramaError:
    """Whose parameter is it? Names stand in backquotes, or end the code."""
    words = f"{said(refused)} {reference(refused)}"
    named = re.findall(r"(?:`|parameter )(\w+)", refused.message)
    for field in (*named, refused.code.partition(".")[2].lower()):
        if field in ("size", "prompt"):
            detail = f"{name} does not take the {field}{words}"
            return InvalidRequest(detail, field=field, fix=f"Change the {field}.")
        if field.startswith("image"):
            return _PICTURE(name, refused)
    return EngineFailed(f"{name} does not take our call{words}")


_PICTURE: Final = Picture(
    "one of the pictures", "Save it as a JPEG of at most 10 MB and 36 megapixels."
)
_PROMPT: Final = Content(
    "the prompt may hold sensitive words",
    "Reword the prompt: leave out names, violence and nudity.",
    "prompt",
)
_INPUT: Final = Content(
    "one of the pictures may show something sensitive",
    "Use another still or another portrait, without violence or nudity.",
)
_POLICY: Final = Content(
    "one of the pictures may break the provider's rules, a copyright or a trade mark",
    "Use pictures that you hold the rights to, without known characters or logos.",
)
_PRIVATE: Final = Content(
    "one of the pictures may show a real person",
    "Use a portrait that the provider accepts, such as a drawn or a made one, or let the local "
    "face engine do it: it asks no provider.",
)
_OUTPUT: Final = Content(
    "the picture it made may be sensitive and is withheld",
    "Try once more, as each try makes another picture; then change the prompt or the pictures.",
)
_DEEPFAKE: Final = Content(
    "the picture it made may pass for a real person and is withheld",
    "Use another portrait, or let the local face engine do it: it asks no provider.",
)
_SOMETHING: Final = Content(
    "the prompt or a picture may be sensitive", "Change the prompt or use other pictures."
)
_KEY: Final = Operator(
    "the API key is refused",
    "Check SeeDream's API key, SHORT_DRAMA_ARK_API_KEY, and that the base URL is that of the "
    "key's region.",
)
_ACCOUNT: Final = Operator(
    "the account is not in order", "Look at the account in the provider's console."
)
_OVERDUE: Final = Operator("a bill is overdue", "Pay it in the provider's console.")
_ACCESS: Final = Operator(
    "the API key may not use this model", "Allow it in the provider's console."
)
_QUOTA: Final = Operator(
    "the quota is used up", "Raise the quota or the spending limit in the provider's console."
)
_CLOSED: Final = Operator(
    "the service or model is not open to this account", "Open it in the provider's console."
)
_NO_MODEL: Final = Operator(
    "there is no such model or endpoint for this key",
    "Check the name of the model, and open the model in the provider's console.",
)

_CODES: Final[Mapping[str, Meaning]] = {
    "InvalidParameter": _parameter,
    "MissingParameter": ours,
    "InvalidImageURL": _PICTURE,
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
    "ModelAccountIpmRateLimitExceeded": slow_down,
    "ModelAccountRpmRateLimitExceeded": slow_down,
    "ModelAccountTpmRateLimitExceeded": slow_down,
    "APIAccountRpmRateLimitExceeded": slow_down,
    "RateLimitExceeded": slow_down,
    "AccountRateLimitExceeded": slow_down,
    "RequestBurstTooFast": slow_down,
    "InflightBatchsizeExceeded": slow_down,
    "ModelLoadingError": slow_down,
    "ServerOverloaded": slow_down,
    "InternalServiceError": failed,
}
_STATUSES: Final[Mapping[int, Meaning]] = {
    HTTPStatus.OK: made_nothing,
    HTTPStatus.UNAUTHORIZED: _KEY,
    HTTPStatus.PAYMENT_REQUIRED: _ACCOUNT,
    HTTPStatus.FORBIDDEN: _ACCESS,
    HTTPStatus.NOT_FOUND: _NO_MODEL,
    HTTPStatus.REQUEST_TIMEOUT: failed,
    HTTPStatus.TOO_MANY_REQUESTS: slow_down,
    HTTPStatus.GATEWAY_TIMEOUT: outcome_unknown,
}
