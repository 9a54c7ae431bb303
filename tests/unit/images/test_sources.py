"""Which references name bytes we hold, whose they are, and how bytes are taken in."""

import asyncio
import io
from collections.abc import AsyncIterator, Iterator

import numpy as np
import pytest
import pytest_asyncio
from PIL import Image

from short_drama.domain.errors import AssetNotFound, ImageRejected, UrlRefused
from short_drama.domain.principal import LOCAL_OWNER
from short_drama.domain.sizes import Size
from short_drama.images import sources as sources_module
from short_drama.images import structure
from short_drama.images.codec import Intake, encode, normalise
from short_drama.images.fetch import Fetcher
from short_drama.images.guard import Guard
from short_drama.images.sources import Held, ImageSources, size_metadata
from short_drama.images.structure import JPEG, MAX_BYTES
from tests.protocol.memory import MemoryAssets
from tests.samples import PNG_SIZE, png

CDN = "https://d111111abcdef8.cloudfront.net"
HELD = "images/face_swap/20260101T000000Z_j1.png"
MINE = "asset:incoming/ann/5d3c"
WHITE = np.full((48, 64, 3), 255, np.uint8)


@pytest.fixture
def assets() -> MemoryAssets:
    return MemoryAssets()


@pytest_asyncio.fixture
async def sources(assets: MemoryAssets) -> AsyncIterator[ImageSources]:
    """Its fetcher is never opened: nothing here may be fetched."""
    opened = ImageSources(assets, Fetcher(Guard()), bucket="ours", public_urls=[CDN])
    yield opened
    await opened.close()


async def take_in(sources: ImageSources, reference: str, owner: str = LOCAL_OWNER) -> Held:
    return await sources.take_in(reference, owner=owner, field="image_url")


@pytest.mark.parametrize(
    "reference",
    [
        f"asset:{HELD}",
        f"s3://ours/{HELD}",
        f"{CDN}/{HELD}",
        f"{CDN}/{HELD}?Expires=1&Signature=x&Key-Pair-Id=y",
        f"{CDN}/{HELD}#top",
        f"{CDN}/images/face%5Fswap/20260101T000000Z_j1.png",
    ],
)
async def test_an_asset_of_ours_is_read_from_where_it_is_kept(
    sources: ImageSources, assets: MemoryAssets, reference: str
) -> None:
    await assets.put(HELD, png(), content_type="image/png")
    assert await take_in(sources, reference) == Held(f"asset:{HELD}", PNG_SIZE)
    assert (await sources.picture(reference, field="image_url")).size == PNG_SIZE


async def test_the_size_of_what_we_hold_is_told_without_reading_it(
    sources: ImageSources, assets: MemoryAssets
) -> None:
    told = {"width": "1920", "height": "1080"}
    await assets.put(HELD, b"not read", content_type="image/png", metadata=told)
    assert (await take_in(sources, f"asset:{HELD}")).size == (1920, 1080)
    assert await sources.size(f"asset:{HELD}", field="image_url") == (1920, 1080)


@pytest.mark.parametrize("told", [{}, {"width": "64"}, {"width": "wide", "height": "1"}])
async def test_an_asset_from_before_sizes_were_told_is_read_once(
    sources: ImageSources, assets: MemoryAssets, told: dict[str, str]
) -> None:
    await assets.put(HELD, png(70, 50), content_type="image/png", metadata=told)
    assert (await take_in(sources, f"asset:{HELD}")).size == (70, 50)
    assets.assets[HELD] = (b"not read", await assets.head(HELD))
    assert (await take_in(sources, f"asset:{HELD}")).size == (70, 50)


async def test_what_has_been_deleted_is_not_held(
    sources: ImageSources, assets: MemoryAssets
) -> None:
    await assets.put(HELD, png(), content_type="image/png", metadata=size_metadata(PNG_SIZE))
    await take_in(sources, f"asset:{HELD}")
    assets.assets.clear()
    with pytest.raises(AssetNotFound):
        await take_in(sources, f"asset:{HELD}")


async def test_a_large_result_of_ours_can_be_used_again(
    sources: ImageSources, assets: MemoryAssets
) -> None:
    """As PNG it may have more bytes than an upload."""
    noise = np.random.default_rng(1).integers(0, 256, (2600, 2800, 3), np.uint8)
    out = io.BytesIO()
    Image.fromarray(noise).save(out, "PNG", compress_level=0)
    assert len(out.getvalue()) > MAX_BYTES
    await assets.put(HELD, out.getvalue(), content_type="image/png")
    assert (await take_in(sources, f"asset:{HELD}")).size == (2800, 2600)
    assert (await sources.file(f"asset:{HELD}", field="image_url")).size == (2800, 2600)
    assert (await sources.picture(f"asset:{HELD}", field="image_url")).size == (2800, 2600)


@pytest.mark.parametrize("told", [True, False])
@pytest.mark.parametrize("size", [Size(8192, 4883), Size(8193, 512), Size(4000, 249)])
async def test_what_no_kind_can_use_is_refused_before_a_task_is_made_of_it(
    sources: ImageSources, assets: MemoryAssets, size: Size, told: bool
) -> None:
    data = io.BytesIO()
    Image.new("1", size).save(data, "PNG")
    metadata = size_metadata(size) if told else {}
    await assets.put(HELD, data.getvalue(), content_type="image/png", metadata=metadata)
    with pytest.raises(ImageRejected, match=str(size)) as refused:
        await take_in(sources, f"asset:{HELD}")
    assert refused.value.field == "image_url"


async def test_a_file_of_ours_is_opened_without_walking_through_its_pixels(
    sources: ImageSources, assets: MemoryAssets, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The walk holds the interpreter, 0.1 s for 20 MB, and every client waits for that."""

    def walk(_: bytes) -> Iterator[int]:
        raise AssertionError("it was walked through")

    monkeypatch.setattr(structure, "_jpeg_markers", walk)
    await assets.put(HELD, encode(WHITE, JPEG, label=None), content_type=JPEG)
    assert (await sources.file(f"asset:{HELD}", field="image_url")).size == (64, 48)


@pytest.mark.parametrize(
    "reference",
    ["https://elsewhere.net/x.png", f"{CDN}.evil.net/{HELD}", f"http://x@{CDN[8:]}/{HELD}"],
)
def test_other_addresses_are_not_ours(sources: ImageSources, reference: str) -> None:
    assert sources.key_of(reference) is None


@pytest.mark.parametrize(
    "key",
    [
        "jobs/j1/checkpoint.json",
        "incoming/bob/5d3c",
        "incoming/ann/../bob/5d3c",
        "incoming/",
        "incoming/annabel/5d3c",
        "x/" + HELD,
        "",
    ],
)
@pytest.mark.parametrize("prefix", ["asset:", "s3://ours/", f"{CDN}/"])
async def test_what_is_private_is_not_there(
    sources: ImageSources, assets: MemoryAssets, prefix: str, key: str
) -> None:
    for private in ("jobs/j1/checkpoint.json", "incoming/bob/5d3c", "incoming/annabel/5d3c"):
        await assets.put(private, png(), content_type="image/png")
    with pytest.raises(AssetNotFound) as refused:
        await take_in(sources, prefix + key)
    assert refused.value.field == "image_url"


async def test_another_bucket_is_refused(sources: ImageSources) -> None:
    with pytest.raises(UrlRefused, match="'theirs' is not ours"):
        await take_in(sources, f"s3://theirs/{HELD}")


async def test_an_asset_that_is_no_image_is_refused(
    sources: ImageSources, assets: MemoryAssets
) -> None:
    await assets.put(HELD, b"{}", content_type="application/json")
    with pytest.raises(ImageRejected, match="application/json"):
        await take_in(sources, f"asset:{HELD}")


# --- What we know already -------------------------------------------------------------------


@pytest.fixture
def decoded(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """What has been, in order."""
    so_far: list[bytes] = []

    def counted(data: bytes) -> Intake:
        so_far.append(data)
        return normalise(data)

    monkeypatch.setattr(sources_module, "normalise", counted)
    return so_far


async def test_known_bytes_are_not_decoded(sources: ImageSources, decoded: list[bytes]) -> None:
    for data in (png(), photograph()):
        first = await sources.keep(data, owner="ann")
        assert await sources.keep(data, owner="ann") == first
    assert decoded == [png(), decoded[-1]]


async def test_bytes_that_somebody_else_has_sent_are_not_known(
    sources: ImageSources, decoded: list[bytes]
) -> None:
    hers = await sources.keep(png(), owner="ann")
    his = await sources.keep(png(), owner="bob")
    assert his.key != hers.key
    assert len(decoded) == 2


async def test_bytes_whose_picture_has_been_deleted_are_taken_in_again(
    sources: ImageSources, assets: MemoryAssets, decoded: list[bytes]
) -> None:
    upload = await sources.keep(png(), owner="ann")
    assets.assets.clear()
    assert await sources.keep(png(), owner="ann") == upload
    assert upload.key in assets.assets
    assert len(decoded) == 2


async def test_of_the_same_bytes_at_once_few_are_decoded(
    sources: ImageSources, decoded: list[bytes]
) -> None:
    uploads = await asyncio.gather(*(sources.keep(png(), owner="ann") for _ in range(20)))
    assert len(set(uploads)) == 1
    assert len(decoded) <= 3  # a place each


# --- What clients put into the bucket themselves --------------------------------------------


def photograph() -> bytes:
    """A JPEG that says where it was taken."""
    exif = Image.Exif()
    exif.get_ifd(0x8825)[1] = "N"
    exif[0x010E] = "at home"
    out = io.BytesIO()
    Image.effect_noise((64, 48), 60).convert("RGB").save(out, "JPEG", exif=exif)
    return out.getvalue()


async def test_a_direct_upload_becomes_the_owners_upload_without_a_trace(
    sources: ImageSources, assets: MemoryAssets
) -> None:
    sent = photograph()
    await assets.put("incoming/ann/5d3c", sent, content_type="image/png")
    taken = await take_in(sources, MINE, owner="ann")
    same = await sources.keep(sent, owner="ann")
    assert taken == Held(f"asset:{same.key}", Size(64, 48))
    assert same.key.startswith("uploads/ann/")
    kept = await assets.get(same.key)
    assert (await assets.head(same.key)).content_type == "image/jpeg"  # whatever the form said
    assert b"at home" in sent
    assert b"at home" not in kept
    assert not Image.open(io.BytesIO(kept)).getexif()


@pytest.mark.parametrize("data", [b"<svg/>", b"", png()[:40], bytes(21 * 2**20)])
async def test_bad_bytes_are_refused_as_in_every_upload(
    sources: ImageSources, assets: MemoryAssets, data: bytes
) -> None:
    await assets.put("incoming/ann/5d3c", data, content_type="image/png")
    with pytest.raises(ImageRejected) as refused:
        await take_in(sources, MINE, owner="ann")
    assert refused.value.field == "image_url"
    assert list(assets.assets) == ["incoming/ann/5d3c"]


async def test_a_form_that_was_not_used_names_the_field(sources: ImageSources) -> None:
    with pytest.raises(AssetNotFound) as refused:
        await take_in(sources, MINE, owner="ann")
    assert refused.value.field == "image_url"
    assert refused.value.fix == "Upload it first."


async def test_an_engine_never_reads_unchecked_bytes(
    sources: ImageSources, assets: MemoryAssets
) -> None:
    await assets.put("incoming/ann/5d3c", png(), content_type="image/png")
    with pytest.raises(AssetNotFound):
        await sources.picture(MINE, field="image_url")
