"""Every documented refusal: its status, code and words, and the body and headers it comes in."""

from dataclasses import dataclass
from typing import Any, Final


@dataclass(frozen=True, slots=True)
class Refusal:
    status: int
    code: str
    message: str

    def body(self, request_id: str) -> dict[str, Any]:
        kind = _TYPES.get(self.status, "")
        message = f"{self.message} Request id: {request_id}"
        return {"error": {"code": self.code, "message": message, "param": "", "type": kind}}


class Refused(Exception):
    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal.code)
        self.refusal = refusal


_TYPES: Final = {
    401: "Unauthorized",
    403: "Forbidden",
    404: "NotFound",
    429: "TooManyRequests",
    500: "InternalServerError",
    503: "ServiceUnavailable",
}

_NOT_VALID = "The request failed because the {} is not valid."
_MAY_CONTAIN = "The request failed because the {} may contain {}."
_LIMITED = "The request failed because you have exceeded the {} limit. Please try again later."

_ALL: Final = (
    Refusal(400, "InvalidParameter", "A parameter specified in the request is not valid."),
    Refusal(400, "MissingParameter", "The request failed because a parameter is missing."),
    Refusal(400, "InvalidImageURL.InvalidFormat", _NOT_VALID.format("format of the image")),
    Refusal(400, "InvalidEndpoint.ClosedEndpoint", "The endpoint is closed."),
    Refusal(
        400, "InputTextSensitiveContentDetected",
        _MAY_CONTAIN.format("input text", "sensitive information"),
    ),
    Refusal(
        400, "InputImageSensitiveContentDetected",
        _MAY_CONTAIN.format("input image", "sensitive information"),
    ),
    Refusal(
        400, "InputImageSensitiveContentDetected.PolicyViolation",
        _MAY_CONTAIN.format("input image", "content that violates the policy"),
    ),
    Refusal(
        400, "InputImageSensitiveContentDetected.PrivacyInformation",
        _MAY_CONTAIN.format("input image", "real person"),
    ),
    Refusal(
        400, "SensitiveContentDetected.SevereViolation",
        _MAY_CONTAIN.format("input", "severe violations"),
    ),
    Refusal(400, "InputImageRiskDetection", _MAY_CONTAIN.format("input image", "risks")),
    Refusal(400, "OutputImageRiskDetection", _MAY_CONTAIN.format("output image", "risks")),
    Refusal(400, "ContentSecurityDetectionError", "The content security detection failed."),
    Refusal(
        400, "OutputImageSensitiveContentDetected",
        _MAY_CONTAIN.format("output image", "sensitive information"),
    ),
    Refusal(
        400, "OutputImageSensitiveContentDetected.DeepFake",
        _MAY_CONTAIN.format("output image", "a deep fake"),
    ),
    Refusal(
        401, "AuthenticationError",
        "the API key or AK/SK in the request is missing or invalid.",
    ),
    Refusal(401, "InvalidAccountStatus", "The account is in an abnormal state."),
    Refusal(403, "AccountOverdueError", "The account has an overdue balance."),
    Refusal(403, "AccessDenied", "You have no access to this resource."),
    Refusal(403, "OperationDenied.ServiceNotOpen", "The service is not open."),
    Refusal(403, "OperationDenied.ServiceOverdue", "The service is overdue."),
    Refusal(
        404, "InvalidEndpointOrModel.NotFound",
        "The model or endpoint does not exist or you do not have access to it.",
    ),
    Refusal(404, "InvalidEndpointOrModel.ModelIDAccessDisabled", "Use an endpoint id instead."),
    Refusal(404, "ModelNotOpen", "Your account has not activated the model."),
    Refusal(404, "UnsupportedModel", "The model is not supported by this service."),
    Refusal(429, "ModelAccountIpmRateLimitExceeded", _LIMITED.format("IPM")),
    Refusal(429, "ModelAccountRpmRateLimitExceeded", _LIMITED.format("RPM")),
    Refusal(429, "ModelAccountTpmRateLimitExceeded", _LIMITED.format("TPM")),
    Refusal(429, "APIAccountRpmRateLimitExceeded", _LIMITED.format("account's RPM")),
    Refusal(429, "RateLimitExceeded.EndpointRPMExceeded", _LIMITED.format("endpoint's RPM")),
    Refusal(429, "AccountRateLimitExceeded", _LIMITED.format("account's rate")),
    Refusal(429, "RequestBurstTooFast", "The requests come too fast all at once."),
    Refusal(429, "InflightBatchsizeExceeded", _LIMITED.format("concurrency")),
    Refusal(429, "ModelLoadingError", "The model is being loaded. Please try again later."),
    Refusal(429, "ServerOverloaded", "The service is overloaded. Please try again later."),
    Refusal(429, "QuotaExceeded", "Your account has exceeded its quota."),
    Refusal(429, "SetLimitExceeded", "The usage limit you set for the model is reached."),
    Refusal(500, "InternalServiceError", "The service met an internal error."),
)  # fmt: skip

REFUSALS: Final = {refusal.code: refusal for refusal in _ALL} | {
    "503": Refusal(503, "ServerOverloaded", "The service is overloaded. Please try again later."),
    "download-timeout": Refusal(
        400,
        "InvalidParameter",
        "The parameter `image` specified in the request is not valid: Timeout while downloading "
        "url=https://bucket.example.com/still.jpg?X-Amz-Signature=5ec3e7.",
    ),
}
"""By code, and by a name where a code has a second status or meaning."""
ACCOUNT: Final = {
    code: REFUSALS[code]
    for code in (
        "AuthenticationError",
        "InvalidAccountStatus",
        "AccountOverdueError",
        "AccessDenied",
        "OperationDenied.ServiceNotOpen",
        "OperationDenied.ServiceOverdue",
    )
}
"""What is refused whatever is asked for."""


def invalid(parameter: str, why: str) -> Refused:
    message = f"The parameter `{parameter}` specified in the request is not valid: {why}."
    return Refused(Refusal(400, "InvalidParameter", message))


def missing(parameter: str) -> Refused:
    message = f"The request failed because it is missing `{parameter}` parameter."
    return Refused(Refusal(400, "MissingParameter", message))
