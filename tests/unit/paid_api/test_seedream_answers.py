"""The shapes in which a picture of SeeDream's, or a gateway's before it, may come."""

import base64
from typing import Any

import pytest

from short_drama.domain.errors import ChargeUnknown
from short_drama.paid_api.providers.calls import Reply
from short_drama.paid_api.providers.seedream.client import Generated, SeeDream, read_made
from tests.samples import png

PICTURE = png(16, 16, (1, 2, 3))
BASE64 = base64.b64encode(PICTURE).decode()
URL = "https://store/a.jpg?X-Tos-Expires=86400"


def made(body: dict[str, Any]) -> Generated:
    return read_made(Reply(body=body, request_id="r-1", seconds=1.0), "seedream-4-0-250828")


@pytest.mark.parametrize(
    "body",
    [
        {"data": [{"url": URL}]},
        {"data": {"url": URL}},
        {"data": [URL]},
        {"data": URL},
        {"images": [{"url": URL}]},
        {"data": [{"image_url": {"url": URL}}]},
        {"data": [{"image_url": URL, "b64_json": None}]},
        {"data": [{"error": {"code": "OutputImageRiskDetection"}}, {"url": URL}]},
        {"data": [{"url": URL, "b64_json": BASE64}], "error": {}},
    ],
)
def test_a_url_is_found(body: dict[str, Any]) -> None:
    assert made(body).url == URL


@pytest.mark.parametrize(
    "item",
    [
        {"b64_json": BASE64},
        {"b64_json": f"data:image/png;base64,{BASE64}"},
        {"url": f"data:image/png;base64,{BASE64}"},
        {"url": "", "b64_json": BASE64[:76] + "\r\n" + BASE64[76:]},
    ],
)
async def test_so_is_the_picture_itself(item: dict[str, Any]) -> None:
    client: Any = None
    assert await SeeDream.download(client, made({"data": [item]}).url) == PICTURE


@pytest.mark.parametrize(
    "item",
    [
        {},
        {"url": "ftp://store/a.jpg"},
        {"url": "https://"},
        {"b64_json": "QUJD"},
        {"b64_json": BASE64 + "!"},
        {"b64_json": [BASE64]},
        {"url": "data:text/html,hello"},
    ],
)
def test_what_is_neither_may_have_been_charged(item: dict[str, Any]) -> None:
    with pytest.raises(ChargeUnknown, match="r-1"):
        made({"data": [item]})


@pytest.mark.parametrize("odd", [-3, True, "1", 1.5, 10**30, None])
def test_a_picture_counts_as_one_whatever_its_usage_says(odd: object) -> None:
    usage = {"generated_images": odd, "output_tokens": odd, "input_images": odd}
    told = made({"data": [{"url": URL}], "usage": usage})
    assert (told.pictures, told.tokens, told.pictures_in) == (1, 0, None)
