"""What is particular to the asset store on S3."""

import asyncio
import secrets
import time
from collections.abc import AsyncIterator
from urllib.parse import urlsplit

import pytest

from short_drama.backends.aws.asset_store import S3AssetStore
from short_drama.backends.aws.bucket import create_bucket
from short_drama.backends.aws.clients import Clients, open_clients
from short_drama.domain.errors import Unavailable
from short_drama.images.sources import INCOMING_PREFIX
from short_drama.ports import AssetExists
from tests.chaos.proxy import BlackHole, DropReplies, FaultProxy, Refuse
from tests.emulators import Emulators

KEY = "images/comfyui-results/camera-angle/j1.png"


@pytest.fixture
async def clients(aws: Emulators) -> AsyncIterator[Clients]:
    async with open_clients() as opened:
        yield opened


@pytest.fixture
async def bucket(clients: Clients) -> str:
    name = f"bucket-{secrets.token_hex(4)}"
    assert await create_bucket(clients.s3, name)
    return name


@pytest.fixture
def store(clients: Clients, bucket: str) -> S3AssetStore:
    return S3AssetStore(clients.s3, bucket=bucket, public_url="https://d1.cloudfront.net")


@pytest.fixture
async def faulty(
    aws: Emulators, monkeypatch: pytest.MonkeyPatch, bucket: str
) -> AsyncIterator[tuple[FaultProxy, S3AssetStore]]:
    """The same bucket, by a way that can be disturbed."""
    address = urlsplit(aws.environment()["AWS_ENDPOINT_URL_S3"])
    assert address.hostname is not None
    assert address.port is not None
    async with FaultProxy(address.hostname, address.port) as proxy:
        monkeypatch.setenv("AWS_ENDPOINT_URL_S3", proxy.url)
        async with open_clients() as opened:
            yield proxy, S3AssetStore(opened.s3, bucket=bucket, public_url="https://x")


@pytest.mark.parametrize(
    ("key", "cache_control"),
    [
        (KEY, "public, max-age=31536000, immutable"),
        ("seedream/20260101T000000Z_j1.jpg", "public, max-age=31536000, immutable"),
        ("uploads/local/x.png", "public, max-age=31536000, immutable"),
        ("jobs/j1/checkpoint.json", "private, no-store"),
    ],
)
async def test_caches_may_keep_what_is_public(
    clients: Clients, bucket: str, store: S3AssetStore, key: str, cache_control: str
) -> None:
    await store.put(key, b"x", content_type="image/png")
    head = await clients.s3.head_object(Bucket=bucket, Key=key)
    assert (head["CacheControl"], head["ContentType"]) == (cache_control, "image/png")


async def test_metadata_may_be_in_any_script(store: S3AssetStore) -> None:
    facts = {"prompt": "将镜头向左旋转45度 100 %"}
    await store.put(KEY, b"x", content_type="image/png", metadata=facts)
    assert (await store.head(KEY)).metadata == facts


async def test_an_asset_is_shown_by_the_cdn(store: S3AssetStore) -> None:
    assert store.url(KEY) == f"https://d1.cloudfront.net/{KEY}"


async def test_a_put_whose_answer_was_lost_is_no_conflict(
    faulty: tuple[FaultProxy, S3AssetStore],
) -> None:
    proxy, store = faulty

    async def lose_first_reply() -> None:
        proxy.fault = DropReplies()
        await asyncio.sleep(0.2)
        proxy.fault = None

    losing = asyncio.create_task(lose_first_reply())
    await asyncio.sleep(0)
    await store.put(KEY, b"ours", content_type="image/png")
    await losing
    assert await store.get(KEY) == b"ours"
    with pytest.raises(AssetExists):
        await store.put(KEY, b"another's", content_type="image/png")


@pytest.mark.parametrize("fault", [Refuse(), BlackHole()], ids=["refused", "black hole"])
async def test_an_unreachable_bucket_is_told_of_within_two_seconds(
    faulty: tuple[FaultProxy, S3AssetStore], fault: Refuse | BlackHole
) -> None:
    proxy, store = faulty
    await store.put(KEY, b"x", content_type="image/png")
    proxy.fault = fault
    started = time.monotonic()
    with pytest.raises(Unavailable):
        await store.head(KEY)
    assert time.monotonic() - started < 2.0


async def test_what_exists_is_not_created_again(clients: Clients, bucket: str) -> None:
    assert not await create_bucket(clients.s3, bucket)


async def test_a_bucket_keeps_to_itself_and_forgets_what_was_not_used(
    aws: Emulators, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On the emulator that knows how to protect buckets."""
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", aws.ministack)
    name = f"bucket-{secrets.token_hex(4)}"
    async with open_clients() as opened:
        assert await create_bucket(opened.s3, name, origins=["https://console.example.com"])
        block = await opened.s3.get_public_access_block(Bucket=name)
        assert all(block["PublicAccessBlockConfiguration"].values())
        (rule,) = (await opened.s3.get_bucket_lifecycle_configuration(Bucket=name))["Rules"]
        assert (rule["Filter"]["Prefix"], rule["Expiration"]["Days"]) == (INCOMING_PREFIX, 1)
        (cors,) = (await opened.s3.get_bucket_cors(Bucket=name))["CORSRules"]
        assert cors["AllowedOrigins"] == ["https://console.example.com"]
