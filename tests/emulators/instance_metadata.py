"""EC2's instance metadata, version 2, as far as the credentials of an instance's role go."""

import contextlib
import secrets
from collections.abc import AsyncIterator, Mapping
from typing import Any

from aiohttp import web

_ROLE = "/latest/meta-data/iam/security-credentials/"


@contextlib.asynccontextmanager
async def instance_metadata(credentials: Mapping[str, Any]) -> AsyncIterator[str]:
    """Its URL, for AWS_EC2_METADATA_SERVICE_ENDPOINT. `credentials`: as STS tells them."""
    token = secrets.token_hex(16)

    async def give_token(_: web.Request) -> web.Response:
        return web.Response(text=token)

    async def tell(request: web.Request) -> web.StreamResponse:
        if request.headers.get("X-aws-ec2-metadata-token") != token:
            return web.Response(status=401)
        if not request.match_info["role"]:
            return web.Response(text="instance")
        return web.json_response(
            {
                "Code": "Success",
                "Type": "AWS-HMAC",
                "LastUpdated": "2026-01-01T00:00:00Z",
                "AccessKeyId": credentials["AccessKeyId"],
                "SecretAccessKey": credentials["SecretAccessKey"],
                "Token": credentials["SessionToken"],
                "Expiration": credentials["Expiration"].strftime("%Y-%m-%dT%H:%M:%SZ"),
            }
        )

    app = web.Application()
    app.add_routes([web.put("/latest/api/token", give_token), web.get(_ROLE + "{role:.*}", tell)])
    runner = web.AppRunner(app)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()
