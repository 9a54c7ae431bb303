"""A web server with one picture: like any other it tells an ETag and heeds one."""

import asyncio
import sys
from pathlib import Path

from aiohttp import web


async def main(data: bytes) -> None:
    tag = '"1"'

    async def show(request: web.Request) -> web.Response:
        told = {"ETag": tag}
        if request.headers.get("If-None-Match") == tag:
            return web.Response(status=304, headers=told)
        return web.Response(body=data, content_type="image/jpeg", headers=told)

    app = web.Application()
    app.router.add_get("/still.jpg", show)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    _, port = runner.addresses[0][:2]
    print(f"http://127.0.0.1:{port}/still.jpg", flush=True)
    await asyncio.Event().wait()


asyncio.run(main(Path(sys.argv[1]).read_bytes()))
