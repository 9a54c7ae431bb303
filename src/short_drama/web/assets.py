"""Show public assets over HTTP: what CloudFront does on AWS."""

from fastapi import FastAPI, Request
from fastapi.responses import Response, StreamingResponse

from short_drama.domain import asset_keys
from short_drama.domain.errors import AssetNotFound
from short_drama.domain.principal import Scope
from short_drama.ports import AssetInfo, AssetStore
from short_drama.web.door import principal_of
from short_drama.web.signed_urls import Signatures

_YEAR = 31_536_000


def install(app: FastAPI, assets: AssetStore, signatures: Signatures | None = None) -> None:
    """`signatures`: of addresses that open an asset; without them every address does."""

    @app.get(
        "/assets/{key:path}",
        tags=["assets"],
        summary="The bytes of an asset",
        response_class=Response,
        responses={200: {"content": {"image/*": {}}}, 404: {}},
    )
    async def asset(key: str, request: Request) -> Response:
        if not asset_keys.is_public(key):
            raise _not_there(key)
        try:
            info = await assets.inspect(key)
        except AssetNotFound:  # told as what is somebody else's
            raise _not_there(key) from None
        headers = {
            "ETag": f'"{key}"',
            "Cache-Control": _caching(request, info, signatures),
            "Content-Security-Policy": "default-src 'none'; sandbox",
        }
        if request.headers.get("if-none-match") == headers["ETag"]:
            return Response(status_code=304, headers=headers)
        headers["Content-Length"] = str(info.size)
        return StreamingResponse(assets.pieces(key), 200, headers, info.content_type)


def _caching(request: Request, info: AssetInfo, signatures: Signatures | None) -> str:
    """For how long the asset may be kept, and by whom: it is never overwritten, so its key says all
    about its bytes. Raises AssetNotFound for whoever may not see it."""
    if signatures is None:
        return f"public, max-age={_YEAR}, immutable"
    query, principal = request.query_params, principal_of(request)
    until, signature = query.get("until", ""), query.get("signature", "")
    left = signatures.seconds_left(info.key, until=until, signature=signature)
    if left is not None:
        return f"private, max-age={left}, immutable"
    if principal.may(Scope.TASKS_READ) and principal.sees(info.owner):
        return "private, no-cache"
    raise _not_there(info.key)


def _not_there(key: str) -> AssetNotFound:
    return AssetNotFound(
        f"there is no public asset {key[:200]!r}",
        fix="Ask for the task again: its addresses hold for a while, and are its owner's.",
    )
