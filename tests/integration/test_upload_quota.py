"""All uploads together have their limit: of uploads, and of what URLs lead to."""

from pathlib import Path

import pytest

from short_drama.backends.embedded.asset_store import EmbeddedAssetStore
from short_drama.backends.embedded.upload_quota import UploadQuota
from short_drama.domain.errors import StorageFull
from short_drama.sdk.models import Problem
from tests.integration.paced_engine import Pace
from tests.samples import noise
from tests.stack import running_stack

KEY = "uploads/local/{}.png"


async def put(assets: EmbeddedAssetStore, key: str, size: int) -> None:
    await assets.put(key, bytes(size), content_type="image/png")


async def test_more_than_allowed_is_refused_and_leaves_nothing(tmp_path: Path) -> None:
    assets = EmbeddedAssetStore(tmp_path / "assets", public_url="", most_uploads=100)
    await put(assets, KEY.format(1), 60)
    with pytest.raises(StorageFull) as refused:
        await put(assets, KEY.format(2), 60)
    assert "SHORT_DRAMA_UPLOADS_MIB" in str(refused.value.fix)
    await put(assets, KEY.format(3), 40)
    await put(assets, "images/face_swap/r.png", 5000)
    names = [path.name for path in (tmp_path / "assets/files/uploads/local").iterdir()]
    assert sorted(names) == ["1.png", "3.png"]


async def test_another_process_counts_what_is_there(tmp_path: Path) -> None:
    await put(EmbeddedAssetStore(tmp_path / "assets", public_url=""), KEY.format(1), 60)
    with pytest.raises(StorageFull):
        UploadQuota(tmp_path / "assets", most=100).take(60)


async def test_room_that_was_made_is_noticed(tmp_path: Path) -> None:
    now = 0.0
    quota = UploadQuota(tmp_path, most=100, clock=lambda: now)
    file = tmp_path / "files/uploads/local/1.png"
    file.parent.mkdir(parents=True)
    file.write_bytes(bytes(60))
    with pytest.raises(StorageFull):
        quota.take(60)
    file.unlink()
    with pytest.raises(StorageFull):
        quota.take(60)
    now += 11
    quota.take(60)


async def test_the_client_is_told_507_and_the_cure(tmp_path: Path) -> None:
    async with running_stack(tmp_path, Pace().engines(), uploads_mib=1, drain_seconds=0.1) as stack:
        url, headers = f"{stack.gpu}/api/v1/assets", {"Content-Type": "image/png"}
        for seed in (1, 1, 2):
            async with stack.http.post(url, data=noise(seed), headers=headers) as answer:
                status, document = answer.status, await answer.json()
        problem = Problem.model_validate(document)
        assert (status, problem.code, problem.retryable) == (507, "storage_full", False)
        assert "short-drama storage" in str(problem.fix)
        async with stack.http.post(url, data=noise(1), headers=headers) as answer:
            assert answer.status == 201


async def test_each_owner_has_room_of_their_own(tmp_path: Path) -> None:
    assets = EmbeddedAssetStore(tmp_path / "assets", public_url="", most_uploads_each=100)
    await put(assets, "uploads/a/1.png", 60)
    with pytest.raises(StorageFull) as refused:
        await put(assets, "uploads/a/2.png", 60)
    assert "SHORT_DRAMA_OWNER_UPLOADS_MIB" in str(refused.value.fix)
    await put(assets, "uploads/ab/1.png", 60)
    await put(assets, "uploads/a/3.png", 40)
