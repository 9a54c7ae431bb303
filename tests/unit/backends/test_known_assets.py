"""Assets that were looked at a moment ago are looked at again without a thread, but looked at."""

import asyncio
from pathlib import Path

import pytest

from short_drama.backends.embedded import lately_read
from short_drama.backends.embedded.asset_store import EmbeddedAssetStore
from short_drama.domain.errors import AssetNotFound
from short_drama.ports import AssetInfo

KEY = "uploads/ann/a.png"


@pytest.fixture
async def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> EmbeddedAssetStore:
    """With one asset, whose file is believed though it was just written."""
    monkeypatch.setattr(lately_read, "_SETTLED", -60.0)
    store = EmbeddedAssetStore(tmp_path, public_url="http://localhost/assets")
    await store.put(KEY, b"whole", content_type="image/png", metadata={"width": "1"})
    return store


def file_of(folder: Path) -> Path:
    return folder / "files" / KEY


async def test_what_was_read_is_told_again_without_a_thread(
    store: EmbeddedAssetStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = await store.head(KEY), await store.inspect(KEY)
    monkeypatch.delattr(asyncio, "to_thread")
    assert first == (await store.head(KEY), await store.inspect(KEY))
    assert first[0] == AssetInfo(key=KEY, size=5, content_type="image/png", metadata={"width": "1"})
    await store.renew(KEY)


async def test_what_is_gone_is_gone_at_once(store: EmbeddedAssetStore, tmp_path: Path) -> None:
    await store.head(KEY)
    await store.inspect(KEY)
    file_of(tmp_path).unlink()
    for look in (store.head, store.inspect, store.renew):
        with pytest.raises(AssetNotFound):
            await look(KEY)


async def test_what_was_cut_short_since_is_found_damaged(
    store: EmbeddedAssetStore, tmp_path: Path
) -> None:
    await store.head(KEY)
    file = file_of(tmp_path)
    file.write_bytes(file.read_bytes()[:-3])
    with pytest.raises(AssetNotFound, match="damaged"):
        await store.head(KEY)
