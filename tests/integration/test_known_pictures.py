"""A picture at a URL comes once, and is never shown when it is another one by now."""

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from http import HTTPStatus
from ipaddress import ip_network
from pathlib import Path

import pytest
import pytest_asyncio
from aiohttp import web

from short_drama.backends.embedded.asset_store import EmbeddedAssetStore
from short_drama.domain.errors import UrlUnreachable
from short_drama.images.fetch import Fetcher
from short_drama.images.guard import Guard
from short_drama.images.sources import Held, ImageSources
from tests.samples import png

WEAK = 'W/"1"'


@dataclass
class Gallery:
    """A server of one picture, which it says has not changed while its tag has not."""

    picture: bytes = field(default_factory=png)
    tag: str | None = '"1"'
    hung: bool = True
    answered: list[int] = field(default_factory=list)
    url: str = ""

    async def show(self, request: web.Request) -> web.Response:
        answer = self._answer(request)
        self.answered.append(answer.status)
        return answer

    def _answer(self, request: web.Request) -> web.Response:
        if not self.hung:
            return web.Response(status=HTTPStatus.NOT_FOUND)
        headers = {"Cache-Control": "max-age=31536000, immutable"}
        if self.tag is not None:
            headers["ETag"] = self.tag
            if request.headers.get("If-None-Match") == self.tag:
                return web.Response(status=HTTPStatus.NOT_MODIFIED, headers=headers)
        return web.Response(body=self.picture, headers=headers)


@pytest_asyncio.fixture
async def gallery() -> AsyncIterator[Gallery]:
    gallery, app = Gallery(), web.Application()
    app.router.add_get("/still.png", gallery.show)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    gallery.url = f"http://127.0.0.1:{runner.addresses[0][1]}/still.png"
    yield gallery
    await runner.cleanup()


@pytest_asyncio.fixture
async def sources(tmp_path: Path) -> AsyncIterator[ImageSources]:
    assets = EmbeddedAssetStore(tmp_path, public_url="http://127.0.0.1:1/assets")
    async with Fetcher(Guard(allow=(ip_network("127.0.0.0/8"),))) as fetcher:
        opened = ImageSources(assets, fetcher, bucket="ours", public_urls=[])
        yield opened
        await opened.close()


async def take_in(sources: ImageSources, gallery: Gallery, owner: str = "ann") -> Held:
    return await sources.take_in(gallery.url, owner=owner, field="image_url")


async def test_a_picture_comes_once(sources: ImageSources, gallery: Gallery) -> None:
    first = await take_in(sources, gallery)
    assert await take_in(sources, gallery) == first
    assert gallery.answered == [200, 304]


async def test_another_picture_is_seen_at_once(sources: ImageSources, gallery: Gallery) -> None:
    """Whatever the server said of how long the first may be kept."""
    await take_in(sources, gallery)
    gallery.picture, gallery.tag = png(400, 300), '"2"'
    assert (await take_in(sources, gallery)).size == (400, 300)
    gallery.picture, gallery.tag = png(500, 300), None
    assert (await take_in(sources, gallery)).size == (500, 300)
    gallery.picture = png(600, 300)
    assert (await take_in(sources, gallery)).size == (600, 300)
    assert gallery.answered == [200] * 4


async def test_a_weak_tag_says_nothing(sources: ImageSources, gallery: Gallery) -> None:
    gallery.tag = WEAK
    await take_in(sources, gallery)
    gallery.picture = png(400, 300)
    assert (await take_in(sources, gallery)).size == (400, 300)


async def test_a_picture_that_was_taken_down_is_not_shown(
    sources: ImageSources, gallery: Gallery
) -> None:
    await take_in(sources, gallery)
    gallery.hung = False
    with pytest.raises(UrlUnreachable):
        await take_in(sources, gallery)


@pytest.mark.parametrize("spoil", [Path.unlink, lambda path: path.write_bytes(b"spoilt")])
async def test_a_picture_that_we_have_lost_comes_again(
    sources: ImageSources, gallery: Gallery, tmp_path: Path, spoil: Callable[[Path], object]
) -> None:
    held = await take_in(sources, gallery)
    spoil(tmp_path / "files" / held.reference.removeprefix("asset:"))
    assert await take_in(sources, gallery) == held
    assert (await sources.file(held.reference, field="image_url")).size == held.size
    assert gallery.answered == [200, 200]


async def test_what_one_owner_has_seen_another_has_not(
    sources: ImageSources, gallery: Gallery
) -> None:
    hers = await take_in(sources, gallery)
    his = await take_in(sources, gallery, owner="bob")
    assert his.reference != hers.reference
    assert gallery.answered == [200, 200]
