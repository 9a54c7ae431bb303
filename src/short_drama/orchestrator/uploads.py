"""Images in, before any task refers to them: through us, or straight into the bucket."""

import time
import uuid
from collections.abc import Callable
from typing import Any, Literal

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse
from python_multipart.multipart import parse_options_header
from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser

from short_drama.domain import asset_keys
from short_drama.domain.errors import InvalidRequest, RequestUnsupported, UnsupportedMediaType
from short_drama.domain.rules import Strict
from short_drama.images.sources import ImageSources
from short_drama.images.structure import MAX_BYTES
from short_drama.ports import AssetStore, DirectUploads
from short_drama.sdk.models import AssetView, DirectUploadView, Problem
from short_drama.web import openapi
from short_drama.web.body import limited, read_json, read_limited
from short_drama.web.door import principal_of
from short_drama.web.signed_urls import Links
from short_drama.web.trail import note_target

_FORM_BYTES = MAX_BYTES + 64 * 1024
_TOO_LARGE = "Save the image as JPEG, or smaller: at most 20 MiB are accepted."
_FORM_SECONDS = 900
"""How long a form for a direct upload may be used."""


class DirectUploadRequest(Strict):
    """What the client is going to put into the bucket."""

    content_type: Literal["image/jpeg", "image/png", "image/webp"]


FORM: dict[str, Any] = {
    "multipart/form-data": {
        "schema": {
            "type": "object",
            "required": ["file"],
            "properties": {"file": {"type": "string", "format": "binary"}},
        }
    },
    "image/*": {"schema": {"type": "string", "format": "binary"}},
}


def install(app: FastAPI, sources: ImageSources, links: Links) -> None:
    @app.post(
        "/api/v1/assets",
        tags=["assets"],
        status_code=201,
        summary="Upload a JPEG, PNG or WebP image",
        openapi_extra={"requestBody": {"required": True, "content": FORM}},
        responses={
            201: {"model": AssetView},
            **{status: {"model": Problem} for status in (413, 422, 507)},
        },
    )
    async def upload(request: Request) -> JSONResponse:
        kept = await sources.keep(await image_bytes(request), owner=principal_of(request).owner)
        note_target(request, kept.key)
        return JSONResponse(
            {
                "key": kept.key,
                "image_url": f"asset:{kept.key}",
                "url": links.url(kept.key),
                **kept.size.to_json(),
                "sha256": kept.sha256,
            },
            201,
            {"Location": links.url(kept.key)},
        )


def install_direct(
    app: FastAPI, assets: AssetStore, *, clock: Callable[[], float] = time.time
) -> None:
    """Forms for uploads that do not pass through us, where the asset store offers them."""

    @app.post(
        "/api/v1/assets/direct",
        tags=["assets"],
        status_code=201,
        summary="A form with which to put an image straight into the bucket (AWS only)",
        openapi_extra=openapi.operation(DirectUploadRequest, headers={}),
        include_in_schema=isinstance(assets, DirectUploads),
        responses={201: {"model": DirectUploadView}, 422: {"model": Problem}},
    )
    async def direct(request: Request) -> JSONResponse:
        wanted = await read_json(request, DirectUploadRequest)
        if not isinstance(assets, DirectUploads):
            raise RequestUnsupported(
                "this service keeps its assets itself: there is no bucket to upload to",
                fix="Send the image to POST /api/v1/assets.",
            )
        key = f"{asset_keys.incoming_prefix(principal_of(request).owner)}{uuid.uuid4()}"
        note_target(request, key)
        form = await assets.upload_form(
            key,
            content_type=wanted.content_type,
            max_bytes=MAX_BYTES,
            expires_in=_FORM_SECONDS,
        )
        view = DirectUploadView(
            image_url=f"asset:{key}",
            url=form.url,
            fields=dict(form.fields),
            max_bytes=MAX_BYTES,
            expires_at=clock() + _FORM_SECONDS,
        )
        return JSONResponse(view.model_dump(mode="json"), 201)


async def image_bytes(request: Request) -> bytes:
    """The `file` part of a form, or the body itself when its content type is an image's."""
    header = request.headers.get("content-type", "")
    media_type, options = parse_options_header(header)
    if media_type.startswith(b"image/"):
        return await read_limited(request, MAX_BYTES, fix=_TOO_LARGE)
    if media_type != b"multipart/form-data" or b"boundary" not in options:
        raise UnsupportedMediaType(
            f"the body's content type is {header[:80]!r}",
            fix="Send multipart/form-data with a part named file, or the image's own bytes.",
        )
    return await _file_part(request)


class _Form(MultiPartParser):
    spool_max_size = _FORM_BYTES  # in memory, where its bytes are wanted anyway

    def close(self) -> None:
        """Also files that have no end, which are not in what is parsed."""
        for file in self._files_to_close_on_error:
            file.close()


async def _file_part(request: Request) -> bytes:
    body = limited(request, _FORM_BYTES, fix=_TOO_LARGE)
    form = _Form(request.headers, body, max_files=1, max_fields=8)
    try:
        part = (await form.parse()).get("file")
        if not isinstance(part, UploadFile):
            raise InvalidRequest(
                "file: this field is required",
                field="file",
                fix="Add a file part named file: curl -F file=@still.png ...",
            )
        return await part.read()
    except MultiPartException as error:
        raise InvalidRequest(f"the form cannot be read: {error.message}", field="file") from None
    finally:
        form.close()
