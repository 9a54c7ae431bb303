"""What an HTTP answer to a paid call means, before anybody knows whose it is."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from short_drama.domain import errors as e
from short_drama.domain.errors import ShortDramaError
from short_drama.paid_api.providers.calls import (
    CallRefused,
    CallUnanswered,
    Reply,
    count,
    read_answer,
)
from short_drama.paid_api.providers.qwen.refusals import classify as qwen_means
from short_drama.paid_api.providers.seedream.refusals import classify as seedream_means

DATE, NOW = "Fri, 27 Nov 2026 10:00:00 GMT", 1_795_773_585.0
"""Of the answer, and 15 seconds before it, for our clock is late."""


def read(status: int, body: object = b"", **headers: str) -> Reply:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    named = {name.replace("_", "-").title(): value for name, value in headers.items()}
    return read_answer(status, named, data, seconds=1.0, now=NOW)


def refusal(status: int, body: object = b"", **headers: str) -> CallRefused:
    with pytest.raises(CallRefused) as caught:
        read(status, body, **headers)
    return caught.value


def meanings(refused: CallRefused) -> set[type[ShortDramaError]]:
    return {type(qwen_means(refused)), type(seedream_means(refused))}


PAGE = b"<html><body>502 Bad Gateway</body></html>"
NOT_THEIRS = [
    b"",
    PAGE,
    b"[" * 100_000,
    [],
    {},
    {"message": "no healthy upstream"},
    {"error": "Bad Gateway", "status": 502},
    {"code": 502, "message": "Bad Gateway"},
    {"error": {"code": 502, "status": "UNAVAILABLE"}},
    {"code": "502"},
    {"error": {"code": None, "type": "upstream_error"}},
]


@pytest.mark.parametrize("body", NOT_THEIRS, ids=lambda body: str(body)[:30])
@pytest.mark.parametrize("status", [500, 501, 502, 503, 504, 511, 520, 599])
def test_a_5xx_that_is_not_the_providers_own_may_be_charged(status: int, body: object) -> None:
    assert meanings(refusal(status, body)) == {e.ChargeUnknown}


@pytest.mark.parametrize("status", [500, 502, 503])
def test_a_5xx_with_the_providers_code_means_what_it_says(status: int) -> None:
    for code in ("InternalError", "InternalServiceError"):
        assert meanings(refusal(status, {"error": {"code": code}})) == {e.ProviderFailed}
    busy = seedream_means(refusal(status, {"error": {"code": "ServerOverloaded"}}))
    assert type(busy) is e.Throttled


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (301, e.ProviderPaused),
        (307, e.ProviderPaused),
        (400, e.EngineFailed),
        (401, e.ProviderPaused),
        (403, e.ProviderPaused),
        (404, e.ProviderPaused),
        (405, e.ProviderPaused),
        (407, e.ProviderPaused),
        (413, e.ImageRejected),
        (418, e.EngineFailed),
        (429, e.Throttled),
    ],
)
@pytest.mark.parametrize("body", NOT_THEIRS[:3], ids=["empty", "page", "deep"])
def test_a_page_before_the_provider_is_no_charge(
    status: int, kind: type[ShortDramaError], body: bytes
) -> None:
    assert meanings(refusal(status, body)) == {kind}


def test_who_answered_is_told() -> None:
    refused = refusal(403, PAGE, content_type="text/html; charset=utf-8", server="openresty")
    for means in (qwen_means, seedream_means):
        error = means(refused)
        assert "text/html from openresty (status 403)" in error.detail
        assert "proxy" in str(error.fix)


@pytest.mark.parametrize("body", [b"", PAGE, b"[" * 100_000, b"[]", b'{"a":', b"1" * 5000])
@pytest.mark.parametrize("status", [200, 201, 204, 206])
def test_a_success_that_is_no_json_object_is_no_answer(status: int, body: bytes) -> None:
    with pytest.raises(CallUnanswered):
        read(status, body)


def test_a_success_that_is_too_large_is_no_answer() -> None:
    with pytest.raises(CallUnanswered):
        read_answer(200, {}, None, seconds=1.0, now=NOW)


@pytest.mark.parametrize(
    ("value", "number"),
    [
        (0, 0),
        (7, 7),
        (7.0, 7),
        *((odd, None) for odd in (-1, -0.5, 7.5, True, "7", None, [7], 10**20, 1e300)),
        (float("inf"), None),
        (float("nan"), None),
    ],
)
def test_a_number_of_things_to_pay_for(value: object, number: int | None) -> None:
    assert count(value) == number


def test_any_success_with_an_object_is_one() -> None:
    assert read(201, {"a": 1}).body == {"a": 1}


@pytest.mark.parametrize(
    ("asked", "seconds"),
    [
        ("7", 7.0),
        ("0.5", 0.5),
        ("99999", 3600.0),
        ("Fri, 27 Nov 2026 10:01:30 GMT", 90.0),
        ("Friday, 27-Nov-26 10:01:30 GMT", 90.0),
        ("Fri, 27 Nov 2026 09:00:00 GMT", 0.0),
        ("Sat, 27 Nov 2027 10:00:00 GMT", 3600.0),
        ("", None),
        ("soon", None),
        ("-5", None),
        ("nan", None),
        ("inf", None),
        ("1_0", None),
        ("Fri, 99 Nov 2026 10:00:00 GMT", None),
        ("Fri, 27 Nov 99999 10:00:00 GMT", None),
    ],
)
def test_how_long_to_wait(asked: str, seconds: float | None) -> None:
    assert refusal(429, retry_after=asked, date=DATE).after == seconds


def test_an_answer_without_a_date_came_now() -> None:
    assert refusal(429, retry_after=DATE).after == 15.0


@given(st.text(max_size=40), st.text(max_size=40))
def test_whatever_the_header_says(asked: str, date: str) -> None:
    after = refusal(429, retry_after=asked, date=date).after
    assert after is None or 0 <= after <= 3600


ANYTHING = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=8)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(
            st.sampled_from(["error", "code", "message", "type", "request_id"]), inner, max_size=4
        ),
    ),
    max_leaves=10,
)


@given(st.integers(100, 999), ANYTHING)
def test_whatever_the_body_says(status: int, body: object) -> None:
    """It ends as one of three, and what is said of it can be kept."""
    try:
        read(status, body)
    except CallRefused as refused:
        for error in (qwen_means(refused), seedream_means(refused)):
            json.dumps(error.detail, ensure_ascii=False).encode()
            if 500 <= status < 600 and not refused.code:
                assert type(error) is e.ChargeUnknown
    except CallUnanswered:
        assert 200 <= status < 300


def test_halves_of_characters_are_replaced() -> None:
    refused = refusal(400, b'{"error":{"code":"New","message":"\\ud83d cut"}}')
    seedream_means(refused).detail.encode()
