"""The promises of `ports.AssetStore`, on every backend."""

import asyncio
import hashlib

import pytest

from short_drama.domain.errors import AssetNotFound
from short_drama.ports import AssetExists, AssetInfo, AssetStore

KEY = "images/face_swap/20260101T000000Z_j1.png"


async def put(
    assets: AssetStore, key: str = KEY, data: bytes = b"one", metadata: dict[str, str] | None = None
) -> None:
    await assets.put(key, data, content_type="image/png", metadata=metadata)


async def test_bytes_come_back_as_they_were_put(assets: AssetStore) -> None:
    data = bytes(range(256))
    await put(assets, data=data)
    assert await assets.get(KEY) == data


@pytest.mark.parametrize("size", [0, 1, 64 * 1024, 256 * 1024, 600_000])
async def test_bytes_come_in_pieces_as_well(assets: AssetStore, size: int) -> None:
    data = bytes(range(251)) * (size // 251) + bytes(size % 251)
    await put(assets, data=data)
    pieces = [piece async for piece in assets.pieces(KEY)]
    assert b"".join(pieces) == data
    assert all(len(piece) <= 256 * 1024 for piece in pieces)


async def test_what_is_not_there_has_no_pieces(assets: AssetStore) -> None:
    with pytest.raises(AssetNotFound):
        await anext(assets.pieces("images/face_swap/none.png"))


async def test_content_type_size_and_metadata_are_kept(assets: AssetStore) -> None:
    facts = {"engine": "noop", "width": "64"}
    await assets.put(KEY, b"12345", content_type="image/jpeg", metadata=facts)
    info = AssetInfo(key=KEY, size=5, content_type="image/jpeg", metadata=facts)
    assert await assets.head(KEY) == info
    assert await assets.inspect(KEY) == info


async def test_metadata_may_be_in_any_script(assets: AssetStore) -> None:
    facts = {"prompt": "将镜头向左旋转45度\n100 % <b>", "sum": "a+b=%20"}
    await put(assets, metadata=facts)
    assert (await assets.head(KEY)).metadata == facts


async def test_metadata_may_be_left_out(assets: AssetStore) -> None:
    await put(assets, data=b"")
    info = await assets.head(KEY)
    assert (info.size, info.metadata) == (0, {})
    assert await assets.get(KEY) == b""


async def test_an_asset_is_never_overwritten(assets: AssetStore) -> None:
    await put(assets, metadata={"number": "1"})
    with pytest.raises(AssetExists):
        await assets.put(KEY, b"two", content_type="image/jpeg", metadata={"number": "2"})
    assert await assets.get(KEY) == b"one"
    info = await assets.head(KEY)
    assert (info.content_type, info.metadata) == ("image/png", {"number": "1"})


@pytest.mark.parametrize("size", [10, 200_000])
async def test_of_several_puts_at_once_exactly_one_succeeds_with_all_that_is_its_own(
    assets: AssetStore, size: int
) -> None:
    async def try_put(key: str, number: int) -> int | None:
        try:
            await put(assets, key, b"%d" % number * size, {"number": str(number)})
        except AssetExists:
            return None
        return number

    for key in (f"images/race/{number}.png" for number in range(4)):
        won = await asyncio.gather(*(try_put(key, number) for number in range(8)))
        (winner,) = [number for number in won if number is not None]
        assert await assets.get(key) == b"%d" % winner * size
        assert (await assets.head(key)).metadata == {"number": str(winner)}


async def test_a_big_asset_is_whole(assets: AssetStore) -> None:
    data = hashlib.shake_256(b"seed").digest(24 * 2**20)
    await put(assets, data=data)
    assert hashlib.sha256(await assets.get(KEY)).digest() == hashlib.sha256(data).digest()
    assert (await assets.head(KEY)).size == len(data)


async def test_keys_do_not_get_in_each_others_way(assets: AssetStore) -> None:
    for key in ("images/a.png", "images/b/a.png", "uploads/local/a.png"):
        await put(assets, key, key.encode())
    assert await assets.get("images/b/a.png") == b"images/b/a.png"
    with pytest.raises(AssetNotFound):
        await assets.get("images/b")


async def test_what_is_not_there_is_not_found(assets: AssetStore) -> None:
    for ask in (assets.get, assets.head, assets.inspect):
        with pytest.raises(AssetNotFound) as missing:
            await ask("images/nothing.png")
        assert "images/nothing.png" in missing.value.detail


NASTY = [
    "",
    ".",
    "..",
    "/",
    "/etc/passwd",
    "//etc/passwd",
    "../outside",
    "images/../../outside",
    "images/..",
    "images/../images/there.png",
    "images/there.png\0.jpg",
    "images/there.png/more",
    "images",
    "images/",
    "images/" + "x" * 300,
    "images/" + "猫" * 100,
    "images/" + "x/" * 2000,
    "x" * 100_000,
    "..\\outside",
    "C:\\outside",
    "images/%2e%2e/outside",
    "images/*",
    "images/\n",
]


@pytest.mark.parametrize("key", NASTY, ids=lambda key: ascii(key[:30]))
async def test_a_nasty_key_names_nothing(assets: AssetStore, key: str) -> None:
    await put(assets, "images/there.png")
    for ask in (assets.get, assets.head, assets.inspect):
        with pytest.raises(AssetNotFound) as missing:
            await ask(key)
        assert len(missing.value.detail) < 1000


async def test_the_address_of_an_asset_ends_in_its_key(assets: AssetStore) -> None:
    url = assets.url(KEY)
    assert url.startswith("http")
    assert url.endswith(f"/{KEY}")
    assert "//" not in url.partition("://")[2]


async def test_what_is_deleted_is_gone_and_may_be_put_again(assets: AssetStore) -> None:
    await put(assets)
    assert (await assets.head(KEY)).size == 3
    for _ in range(2):
        await assets.delete(KEY)
    await assets.delete("../" * 400)
    for look in (assets.get, assets.head, assets.inspect, assets.renew):
        with pytest.raises(AssetNotFound):
            await look(KEY)
    await put(assets)
    assert await assets.get(KEY) == b"one"


async def test_what_is_renewed_is_as_it_was(assets: AssetStore) -> None:
    with pytest.raises(AssetNotFound):
        await assets.renew(KEY)
    await put(assets)
    await assets.renew(KEY)
    assert await assets.get(KEY) == b"one"
