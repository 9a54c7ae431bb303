"""Show public assets over HTTP: what CloudFront does on AWS."""

from fastapi import FastAPI, Request
from fastapi.responses import Response, StreamingResponse

from short_drama.domain import asset_keys
from short_drama.domain.errors import AssetNotFound
from short_drama.ports import AssetStore


def install(app: FastAPI, assets: AssetStore) -> None:
    @app.get(
        "/assets/{key:path}",
        tags=["assets"],
        summary="The bytes of an asset",
        response_class=Response,
        responses={200: {"content": {"image/*": {}}}, 404: {}},
    )
    async def asset(key: str, request: Request) -> Response:
        if not asset_keys.is_public(key):
            raise AssetNotFound(f"there is no public asset {key[:200]!r}")
        info = await assets.inspect(key)
        headers = {
            "ETag": f'"{key}"',
            # An asset is never overwritten, so its key says all about its bytes.
            "Cache-Control": "public, max-age=31536000, immutable",
            "Content-Security-Policy": "default-src 'none'; sandbox",
        }
        if request.headers.get("if-none-match") == headers["ETag"]:
            return Response(status_code=304, headers=headers)
        headers["Content-Length"] = str(info.size)
        return StreamingResponse(assets.pieces(key), 200, headers, info.content_type)
