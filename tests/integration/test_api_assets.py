"""The HTTP contract, from outside: images in, and every asset out."""

import gc
import hashlib
import io
import re
import warnings

import aiohttp
import pytest
from PIL import Image

from short_drama.sdk.models import (
    AssetView,
)
from short_drama.wiring.backend import open_backend
from tests.integration.http_api import Api
from tests.samples import png

pytestmark = pytest.mark.asyncio(loop_scope="module")


def form(data: bytes, name: str = "file") -> aiohttp.FormData:
    form = aiohttp.FormData()
    form.add_field(name, data, filename="../../still.png", content_type="image/png")
    return form


async def test_an_upload_is_answered_with_what_to_refer_to_it_by(api: Api) -> None:
    data = png(80, 60)
    document, answer = await api.call("POST", "/api/v1/assets", status=201, data=form(data))
    view = AssetView.model_validate(document)
    assert (view.width, view.height) == (80, 60)
    assert view.sha256 == hashlib.sha256(data).hexdigest()
    assert re.fullmatch(r"uploads/local/[0-9a-f]{64}\.png", view.key)
    assert view.image_url == f"asset:{view.key}"
    assert answer.headers["Location"] == view.url
    async with api.stack.http.get(view.url) as shown:
        assert Image.open(io.BytesIO(await shown.read())).size == (80, 60)


async def test_the_same_bytes_have_the_same_key_however_they_are_sent(api: Api) -> None:
    data = png(70, 50)
    documents = [
        (await api.call("POST", "/api/v1/assets", status=201, data=sent, headers=headers))[0]
        for sent, headers in (
            (form(data), {}),
            (data, {"Content-Type": "image/png"}),
            (data, {"Content-Type": "image/*; x=y"}),
            (form(data), {}),
        )
    ]
    assert all(document == documents[0] for document in documents)


async def test_a_key_is_not_to_be_told_from_the_bytes(api: Api) -> None:
    data = png(90, 70)
    mine = (await api.call("POST", "/api/v1/assets", status=201, data=form(data)))[0]
    assert hashlib.sha256(data).hexdigest() not in mine["key"]
    guessed = f"{api.stack.gpu}/assets/uploads/local/{mine['sha256']}.png"
    async with api.stack.http.get(guessed) as answer:
        assert answer.status == 404


async def test_an_upload_from_before_keys_were_secret_can_be_used(api: Api) -> None:
    data = png(300, 300)
    key = f"uploads/local/{hashlib.sha256(data).hexdigest()}.png"
    async with open_backend(api.stack.settings, assets_url="") as backend:
        await backend.assets.put(key, data, content_type="image/png")
    async with api.stack.http.get(f"{api.stack.gpu}/assets/{key}") as shown:
        assert await shown.read() == data
    await api.call(
        "POST",
        "/api/v1/camera-angle/tasks",
        status=202,
        json={"image_url": f"asset:{key}", "zoom": 1},
    )


async def test_a_form_that_breaks_off_leaves_no_file_open(api: Api) -> None:
    head = b'--x\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\nbytes'
    headers = {"Content-Type": "multipart/form-data; boundary=x"}
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        found = await api.problem("POST", "/api/v1/assets", status=422, data=head, headers=headers)
        gc.collect()
    assert found.field == "file"
    assert not [one for one in warned if "SpooledTemporaryFile" in str(one.message)]


async def test_a_form_without_a_file_is_refused(api: Api) -> None:
    found = await api.problem("POST", "/api/v1/assets", status=422, data=form(png(), "picture"))
    assert found.field == "file"
    assert found.fix


@pytest.mark.parametrize(
    ("format_", "content_type", "shown_as"),
    [("JPEG", "image/jpeg", "image/jpeg"), ("PNG", "image/png", "image/png"),
     ("WEBP", "image/webp", "image/png")],
)  # fmt: skip
async def test_an_asset_is_shown_as_what_it_is_and_nothing_else(
    api: Api, format_: str, content_type: str, shown_as: str
) -> None:
    buffer = io.BytesIO()
    Image.effect_noise((64, 64), 50).convert("RGB").save(buffer, format_)
    headers = {"Content-Type": content_type}
    document, _ = await api.call(
        "POST", "/api/v1/assets", status=201, data=buffer.getvalue(), headers=headers
    )
    async with api.stack.http.get(document["url"]) as answer:
        assert (answer.status, answer.content_type) == (200, shown_as)
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert "immutable" in answer.headers["Cache-Control"]
        assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
        etag = answer.headers["ETag"]
    async with api.stack.http.get(document["url"], headers={"If-None-Match": etag}) as answer:
        assert (answer.status, await answer.read()) == (304, b"")
        assert answer.headers["ETag"] == etag


async def test_private_assets_are_not_shown(api: Api) -> None:
    async with open_backend(api.stack.settings, assets_url="") as backend:
        key = "jobs/x/checkpoint.json"
        await backend.assets.put(key, b"{}", content_type="application/json")
    for key in ("jobs/x/checkpoint.json", "jobs/", "secret", "../secret", "..%2fsecret"):
        found = await api.problem("GET", f"/assets/{key}", status=404)
        assert found.code in ("asset_not_found", "route_not_found")
