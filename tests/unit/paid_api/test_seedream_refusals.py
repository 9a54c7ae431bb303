"""Refusals that the documentation does not list, and what their words must not carry."""

import pytest

from short_drama.domain import errors as e
from short_drama.paid_api.providers.endpoint import CallRefused
from short_drama.paid_api.providers.seedream.refusals import classify

KEY = "5eed0000-1234-4abc-8def-0123456789ab"


@pytest.mark.parametrize(
    "message",
    [
        f"the API key {KEY} is wrong",
        f"the picture data:image/jpeg;base64,{'A' * 450}",
        "see https://a.example/b?X-Tos-Signature=123",
        f"the picture {'A' * 400}",
    ],
)
def test_no_message_lets_a_secret_through(message: str) -> None:
    error = classify(CallRefused(400, code="New.Code", message=message[:500], request_id="r1"))
    assert error.detail.startswith("SeeDream does not take our call: ")
    assert error.detail.endswith("(...) (New.Code, request r1)") or KEY in message
    for secret in (KEY, "Signature", "https://", "base64", "AAAA"):
        assert secret not in error.detail


@pytest.mark.parametrize(
    ("message", "kind", "field"),
    [
        ("The parameter `size` specified in the request is not valid: too big.", "size", "size"),
        ("Invalid parameter prompt", "prompt", "prompt"),
        ("`image` must have 2", "picture", None),
        ("The parameter `watermark` is not valid", "our call", None),
    ],
)
def test_whose_parameter_it_is(message: str, kind: str, field: str | None) -> None:
    error = classify(CallRefused(400, code="InvalidParameter", message=message))
    assert kind in error.detail
    assert error.field == field
    assert isinstance(error, e.UserError) == (kind != "our call")


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (200, e.ProviderFailed),
        (302, e.ProviderPaused),
        (400, e.EngineFailed),
        (401, e.ProviderPaused),
        (402, e.ProviderPaused),
        (403, e.ProviderPaused),
        (404, e.ProviderPaused),
        (408, e.ProviderFailed),
        (418, e.EngineFailed),
        (429, e.Throttled),
        (500, e.ProviderFailed),
        (502, e.ProviderFailed),
        (503, e.ProviderFailed),
        (504, e.ChargeUnknown),
        (599, e.ProviderFailed),
    ],
)
@pytest.mark.parametrize("code", ["", "Unheard.Of"])
def test_an_unknown_code_by_its_status(
    status: int, code: str, kind: type[e.ShortDramaError]
) -> None:
    error = classify(CallRefused(status, code=code, message="Request id: 0217-x"))
    assert type(error) is (kind if code or status < 500 else e.ChargeUnknown)
    assert f"({code or f'status {status}'}, request 0217-x)" in error.detail


def test_chinese_words_are_kept() -> None:
    message = "请求失败" + "输入的图片可能包含真实人物请更换后重试" * 2
    error = classify(CallRefused(400, code="New", message=message))
    assert error.detail == f"SeeDream does not take our call: {message} (New)"
