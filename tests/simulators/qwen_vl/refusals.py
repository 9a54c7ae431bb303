"""Every documented refusal: its status, code and words, and the body it comes in."""

from dataclasses import dataclass
from typing import Any, Final


@dataclass(frozen=True, slots=True)
class Refusal:
    """Args: code is in the compatible spelling, or in the native one where it has no other."""

    status: int
    code: str
    message: str

    def body(self, request_id: str) -> dict[str, Any]:
        error = {"code": self.code, "message": self.message, "param": None, "type": self.code}
        return {"error": error, "request_id": request_id}


class Refused(Exception):
    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal.code)
        self.refusal = refusal


_TOO_MANY: Final = "You exceeded your current requests list."
_BURST: Final = "Request rate increased too quickly. Please slow down."
_TOKENS: Final = "You exceeded your current quota, please check your plan and billing details."
_FREE: Final = "Free allocated quota exceeded."
_INSPECTION: Final = "Input data may contain inappropriate content."
_KEY: Final = "Incorrect API key provided."
_NO_MODEL: Final = "The model does not exist or you do not have access to it."
_INTERNAL: Final = "An internal error has occurred, please try again later."

_ALL: Final = (
    Refusal(400, "InvalidParameter", "A parameter specified in the request is not valid."),
    Refusal(400, "invalid_parameter_error", "A parameter specified in the request is not valid."),
    Refusal(400, "DataInspectionFailed", _INSPECTION),
    Refusal(400, "data_inspection_failed", _INSPECTION),
    Refusal(400, "IPInfringementSuspect", "Input data is suspected of IP infringement."),
    Refusal(400, "Arrearage", "Access denied, please make sure your account is in good standing."),
    Refusal(401, "InvalidApiKey", _KEY),
    Refusal(401, "invalid_api_key", _KEY),
    Refusal(401, "NOT AUTHORIZED", "Access denied: you are not authorized."),
    Refusal(403, "AccessDenied", "Access denied."),
    Refusal(403, "AccessDenied.Unpurchased", "Access to model denied. Please buy the model."),
    Refusal(403, "Model.AccessDenied", "Model access denied."),
    Refusal(403, "AllocationQuota.FreeTierOnly", "The free tier of the model has been exhausted."),
    Refusal(404, "ModelNotFound", _NO_MODEL),
    Refusal(404, "model_not_found", _NO_MODEL),
    Refusal(404, "Model.NotExist", "Model not exist."),
    Refusal(404, "model_not_supported", "The model is not supported by this API."),
    Refusal(429, "Throttling", "Requests throttling triggered."),
    Refusal(429, "Throttling.RateQuota", _TOO_MANY),
    Refusal(429, "limit_requests", _TOO_MANY),
    Refusal(429, "Throttling.BurstRate", _BURST),
    Refusal(429, "limit_burst_rate", _BURST),
    Refusal(429, "Throttling.AllocationQuota", _TOKENS),
    Refusal(429, "insufficient_quota", _TOKENS),
    Refusal(429, "CommodityNotPurchased", "Commodity has not purchased yet."),
    Refusal(429, "PrepaidBillOverdue", "The prepaid bill is overdue."),
    Refusal(429, "PostpaidBillOverdue", "The postpaid bill is overdue."),
    Refusal(500, "InternalError", _INTERNAL),
    Refusal(500, "internal_error", _INTERNAL),
    Refusal(500, "InternalError.Algo", "An error occurred in the algorithm."),
    Refusal(500, "InternalError.Timeout", "The inference timed out."),
    Refusal(500, "SystemError", "A system error has occurred, please try again later."),
    Refusal(500, "ModelServiceFailed", "Failed to request the model service."),
    Refusal(500, "RequestTimeOut", "Request timed out, please try again later."),
    Refusal(503, "ModelServingError", "Too many requests. Your requests are being throttled."),
    Refusal(503, "ModelUnavailable", "Model is unavailable, please try again later."),
    Refusal(503, "ServiceUnavailable", "The service is temporarily unavailable."),
    Refusal(504, "GatewayTimeout", "The gateway timed out."),
)


def _invalid(message: str) -> Refusal:
    return Refusal(400, "invalid_parameter_error", message)


REFUSALS: Final = {refusal.code: refusal for refusal in _ALL} | {
    "free-quota": Refusal(429, "insufficient_quota", _FREE),
    "free-quota-native": Refusal(429, "Throttling.AllocationQuota", _FREE),
    "free-quota-403": Refusal(403, "AllocationQuota.FreeTierOnly", _FREE),
    "url-error": Refusal(400, "InvalidParameter", "url error, please check url!"),
    "download-failed": _invalid("Failed to download multimodal content."),
    "download-timeout": _invalid("Download the media resource timed out during the data process."),
    "data-url-too-large": _invalid("Exceeded limit on max bytes per data-uri item : 10485760."),
    "file-too-large": _invalid("Multimodal file size is too large."),
    "bad-sides": _invalid("The image length and width do not meet the model restrictions."),
    "no-content-length": Refusal(
        500, "InternalError.Algo", "Missing Content-Length of multimodal url."
    ),
    "echoed-key": Refusal(
        400, "some_new_code", "Bad header: Bearer sk-5eed00001234abcd8def0123456789ab was sent."
    ),
}
"""By code, and by a name where a code has a second meaning."""
ACCOUNT: Final = frozenset(
    {
        "Arrearage", "InvalidApiKey", "invalid_api_key", "NOT AUTHORIZED", "AccessDenied",
        "AccessDenied.Unpurchased", "CommodityNotPurchased", "PrepaidBillOverdue",
        "PostpaidBillOverdue",
    }
)  # fmt: skip
"""What is refused whatever is asked for."""


def invalid(message: str) -> Refused:
    return Refused(_invalid(message))
