"""What is particular to assets on S3: headers, lost answers, deadlines, forms, the bucket."""

import asyncio
import io
import logging
import secrets
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from types import SimpleNamespace
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import pytest

from short_drama.backends.aws import asset_store
from short_drama.backends.aws import clients as aws_clients
from short_drama.backends.aws.asset_store import S3AssetStore
from short_drama.backends.aws.bucket import create_bucket
from short_drama.backends.aws.clients import Clients, open_clients
from short_drama.backends.aws.resources import ABORTED, lifecycle
from short_drama.domain.errors import AssetNotFound, ImageRejected, InvalidRequest, Unavailable
from short_drama.domain.lifetimes import DAY, USUAL, Lifetimes
from short_drama.ports import AssetExists, UploadForm
from tests.chaos.proxy import BlackHole, DropReplies, FaultProxy, Latency, Refuse
from tests.emulators import Emulators
from tests.patience import SOON, within

KEY = "images/comfyui-results/camera-angle/j1.png"
CONSOLE = "https://console.example.com"


@pytest.fixture
async def clients(aws: Emulators) -> AsyncIterator[Clients]:
    async with open_clients() as opened:
        yield opened


@pytest.fixture
def name() -> str:
    return f"bucket-{secrets.token_hex(4)}"


@pytest.fixture
async def bucket(clients: Clients, name: str) -> str:
    assert await create_bucket(clients.s3, name)
    return name


@pytest.fixture
def store(clients: Clients, bucket: str) -> S3AssetStore:
    return S3AssetStore(clients.s3, bucket=bucket, public_url="https://d1.cloudfront.net")


class Requests:
    """What one client sends, try by try, and answers given instead of the server's.

    `answers[operation]`: HTTP statuses and error codes, used up in turn.
    """

    def __init__(self, clients: Clients) -> None:
        self.sent: list[tuple[str, Any]] = []
        self.answers: dict[str, list[tuple[int, str]]] = {}
        self.on_send: Callable[[], None] = lambda: None
        events: Any = clients.s3.meta.events
        events.register("before-call.s3", self._answer)
        events.register("before-send.s3", self._note)

    def _note(self, event_name: str, request: Any, **_: Any) -> None:
        self.sent.append((event_name.rpartition(".")[2], request))
        self.on_send()

    def _answer(self, model: Any, **_: Any) -> tuple[SimpleNamespace, dict[str, Any]] | None:
        waiting = self.answers.get(model.name)
        if not waiting:
            return None
        status, code = waiting.pop(0)
        body = {"Error": {"Code": code}, "ResponseMetadata": {"HTTPStatusCode": status}}
        return SimpleNamespace(status_code=status), body


@pytest.fixture
def requests(clients: Clients) -> Requests:
    return Requests(clients)


class Faulty:
    """The same bucket, by a way that can be disturbed."""

    def __init__(self, proxy: FaultProxy, clients: Clients, bucket: str) -> None:
        self.proxy, self.requests = proxy, Requests(clients)
        self.store = S3AssetStore(clients.s3, bucket=bucket, public_url="https://x")


@pytest.fixture
async def faulty(
    aws: Emulators, monkeypatch: pytest.MonkeyPatch, bucket: str
) -> AsyncIterator[Faulty]:
    address = urlsplit(aws.environment()["AWS_ENDPOINT_URL_S3"])
    assert address.hostname is not None
    assert address.port is not None
    async with FaultProxy(address.hostname, address.port) as proxy:
        monkeypatch.setenv("AWS_ENDPOINT_URL_S3", proxy.url)
        async with open_clients() as opened:
            yield Faulty(proxy, opened, bucket)


async def put(store: S3AssetStore, key: str = KEY, data: bytes = b"ours") -> None:
    await store.put(key, data, content_type="image/png")


# --- Assets -------------------------------------------------------------------------------


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
    await put(store, key)
    head = await clients.s3.head_object(Bucket=bucket, Key=key)
    assert (head["CacheControl"], head["ContentType"]) == (cache_control, "image/png")


async def test_a_put_is_one_request_that_overwrites_nothing(
    store: S3AssetStore, requests: Requests
) -> None:
    await put(store)
    ((operation, request),) = requests.sent
    assert operation == "PutObject"
    assert request.headers["If-None-Match"] == b"*"
    assert request.headers["Content-Type"] == b"image/png"


async def test_an_asset_is_shown_by_the_cdn(store: S3AssetStore) -> None:
    assert store.url(KEY) == f"https://d1.cloudfront.net/{KEY}"


async def test_a_key_that_could_not_be_found_again_is_not_written(store: S3AssetStore) -> None:
    with pytest.raises(AssetNotFound):
        await put(store, "images/../secret")


async def test_puts_at_once_are_repeated_as_s3_asks(
    store: S3AssetStore, requests: Requests
) -> None:
    requests.answers["PutObject"] = [(409, "ConditionalRequestConflict")] * 3
    await put(store)
    assert await store.get(KEY) == b"ours"


async def test_a_race_that_does_not_end_is_given_up(
    store: S3AssetStore, requests: Requests, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(asset_store, "_RACES", 3)
    requests.answers["PutObject"] = [(409, "ConditionalRequestConflict")] * 3
    with pytest.raises(Unavailable, match="race"):
        await put(store)


@pytest.mark.parametrize("operation", ["GetObject", "HeadObject", "PutObject"])
async def test_a_missing_right_is_not_taken_for_a_missing_asset(
    store: S3AssetStore, requests: Requests, operation: str
) -> None:
    requests.answers[operation] = [(403, "AccessDenied")]
    calls: dict[str, Callable[[], Awaitable[object]]] = {
        "GetObject": lambda: store.get(KEY),
        "HeadObject": lambda: store.head(KEY),
        "PutObject": lambda: put(store),
    }
    with pytest.raises(Unavailable, match=f"refuses {operation}: AccessDenied"):
        await calls[operation]()


async def test_a_missing_bucket_is_not_taken_for_a_missing_asset(clients: Clients) -> None:
    store = S3AssetStore(clients.s3, bucket="none-such", public_url="https://x")
    with pytest.raises(Unavailable, match="NoSuchBucket"):
        await store.get(KEY)


async def test_what_would_fill_the_memory_is_not_read(
    store: S3AssetStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(asset_store, "_LARGEST", 2**20)
    await put(store, data=bytes(2**20))
    await put(store, "images/big.png", bytes(2**20 + 1))
    assert len(await store.get(KEY)) == 2**20
    with pytest.raises(ImageRejected, match="at most 1 are read"):
        await store.get("images/big.png")


# --- Faults -------------------------------------------------------------------------------


async def test_a_put_whose_answer_was_lost_is_no_conflict(faulty: Faulty) -> None:
    faulty.proxy.fault = DropReplies(after=len("HTTP/1.1 100 Continue\r\n\r\n"))

    def answer_the_second() -> None:
        if len(faulty.requests.sent) == 2:
            faulty.proxy.fault = None

    faulty.requests.on_send = answer_the_second
    data = bytes(2**20)
    await put(faulty.store, data=data)
    assert [operation for operation, _ in faulty.requests.sent] == [
        *("PutObject", "PutObject", "HeadObject")
    ]
    assert await faulty.store.get(KEY) == data
    assert (await faulty.store.head(KEY)).metadata == {}
    with pytest.raises(AssetExists):
        await put(faulty.store, data=b"another's")


@pytest.mark.parametrize("fault", [Refuse(), BlackHole()], ids=["refused", "black hole"])
async def test_an_unreachable_bucket_is_told_of_in_time(
    faulty: Faulty, fault: Refuse | BlackHole, monkeypatch: pytest.MonkeyPatch
) -> None:
    await put(faulty.store)
    monkeypatch.setattr(aws_clients, "SECONDS", 0.5)
    faulty.proxy.fault = fault
    for call in (faulty.store.head(KEY), faulty.store.get(KEY)):
        with within(1.0), pytest.raises(Unavailable):
            await call


@pytest.mark.parametrize("fault", [Refuse(), BlackHole()], ids=["refused", "black hole"])
async def test_a_put_has_a_deadline_too(
    faulty: Faulty, fault: Refuse | BlackHole, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(asset_store, "_PUT_SECONDS", 1.0)
    faulty.proxy.fault = fault
    with within(2.0), pytest.raises(Unavailable):
        await put(faulty.store)


async def test_an_asset_that_breaks_off_is_unavailable_and_not_shorter(faulty: Faulty) -> None:
    await put(faulty.store, data=bytes(2**20))
    faulty.proxy.fault = DropReplies(after=2**19)
    with pytest.raises(Unavailable, match="broke off"):
        await faulty.store.get(KEY)
    faulty.proxy.fault = None
    assert len(await faulty.store.get(KEY)) == 2**20


async def test_a_big_asset_is_given_the_time_it_takes(
    faulty: Faulty, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(aws_clients, "SECONDS", 3.0)
    data = secrets.token_bytes(6 * 2**20)
    await put(faulty.store, data=data)
    faulty.proxy.fault = Latency(0.04)  # for each 64 KiB: 3.8 s, more than a small one has
    assert await faulty.store.get(KEY) == data


async def test_an_asset_that_stops_arriving_is_given_up(
    faulty: Faulty, monkeypatch: pytest.MonkeyPatch
) -> None:
    await put(faulty.store, data=bytes(4 * 2**20))
    monkeypatch.setattr(asset_store, "_BYTES_PER_SECOND", 8 * 2**20)
    monkeypatch.setattr(aws_clients, "SECONDS", 1.0)
    faulty.proxy.fault = Latency(0.05)
    reading = asyncio.create_task(faulty.store.get(KEY))
    await asyncio.sleep(0.5)
    faulty.proxy.fault = BlackHole()
    with pytest.raises(Unavailable, match="does not answer within"):
        await asyncio.wait_for(reading, SOON)


# --- Forms --------------------------------------------------------------------------------


async def send(form: UploadForm, data: bytes, **changes: str) -> int:
    body = aiohttp.FormData({**form.fields, **changes})
    body.add_field("file", io.BytesIO(data), filename="still.png")
    async with aiohttp.ClientSession() as http, http.post(form.url, data=body) as answer:
        return answer.status


def a_form(store: S3AssetStore, *, expires_in: int = 60) -> Awaitable[UploadForm]:
    return store.upload_form(
        "incoming/local/1", content_type="image/png", max_bytes=1000, expires_in=expires_in
    )


async def test_a_form_puts_one_object_of_its_type(
    clients: Clients, bucket: str, store: S3AssetStore
) -> None:
    assert await send(await a_form(store), bytes(1000)) in (200, 201, 204)
    head = await clients.s3.head_object(Bucket=bucket, Key="incoming/local/1")
    assert (head["ContentLength"], head["ContentType"]) == (1000, "image/png")
    assert len(await store.get("incoming/local/1")) == 1000


@pytest.mark.parametrize(
    ("size", "changes"),
    [
        (1001, {}),
        (0, {}),
        (9, {"key": "images/mine.png"}),
        (9, {"key": "incoming/other/1"}),
        (9, {"Content-Type": "text/html"}),
    ],
    ids=["too big", "empty", "public key", "other owner", "other type"],
)
async def test_a_form_is_good_for_nothing_else(
    clients: Clients, bucket: str, store: S3AssetStore, size: int, changes: dict[str, str]
) -> None:
    assert await send(await a_form(store), bytes(size), **changes) in (400, 403)
    assert (await clients.s3.list_objects_v2(Bucket=bucket))["KeyCount"] == 0


async def test_a_form_expires(store: S3AssetStore) -> None:
    form = await a_form(store, expires_in=1)
    await asyncio.sleep(2.1)
    assert await send(form, b"late") == 403


@pytest.mark.parametrize(
    ("region", "url"),
    [
        ("us-east-1", "https://ours.s3.amazonaws.com/"),
        ("eu-west-1", "https://ours.s3.eu-west-1.amazonaws.com/"),
    ],
)
async def test_forms_are_what_new_buckets_of_any_region_take(
    aws: Emulators, monkeypatch: pytest.MonkeyPatch, region: str, url: str
) -> None:
    """S3 itself: signature version 4, and the bucket's own region rather than a redirect to it."""
    monkeypatch.delenv("AWS_ENDPOINT_URL_S3")
    async with open_clients(region) as opened:
        form = await a_form(S3AssetStore(opened.s3, bucket="ours", public_url="https://x"))
    assert form.fields["x-amz-algorithm"] == "AWS4-HMAC-SHA256"
    assert form.url == url


# --- The bucket ---------------------------------------------------------------------------


@pytest.fixture
def ministack(aws: Emulators, monkeypatch: pytest.MonkeyPatch) -> None:
    """As S3: it knows how buckets are closed to the public. Ask for it before `clients`."""
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", aws.ministack)


@pytest.mark.usefixtures("ministack")
async def test_a_bucket_keeps_to_itself_and_forgets_what_was_not_used(name: str) -> None:
    async with open_clients() as opened:
        s3 = opened.s3
        assert await create_bucket(s3, name, origins=[CONSOLE])
        block = await s3.get_public_access_block(Bucket=name)
        assert set(block["PublicAccessBlockConfiguration"].values()) == {True}
        (owner,) = (await s3.get_bucket_ownership_controls(Bucket=name))["OwnershipControls"][
            "Rules"
        ]
        assert owner["ObjectOwnership"] == "BucketOwnerEnforced"
        *rules, aborted = (await s3.get_bucket_lifecycle_configuration(Bucket=name))["Rules"]
        days = {rule["Filter"]["Prefix"]: rule["Expiration"]["Days"] for rule in rules}
        assert days == {
            "incoming/": 1, "images/": 120, "seedream/": 120, "uploads/": 120, "jobs/": 30,
            "reuse/": 90,
        }  # fmt: skip
        assert aborted["AbortIncompleteMultipartUpload"] == {"DaysAfterInitiation": 1}
        (cors,) = (await s3.get_bucket_cors(Bucket=name))["CORSRules"]
        assert (cors["AllowedOrigins"], cors["AllowedMethods"]) == ([CONSOLE], ["POST"])


async def test_for_ever_leaves_what_tasks_made(clients: Clients, name: str) -> None:
    await create_bucket(clients.s3, name, lifetimes=Lifetimes(tasks=0, uploads=1))
    found = await clients.s3.get_bucket_lifecycle_configuration(Bucket=name)
    assert [each["ID"] for each in found["Rules"]] == ["forget-incoming", ABORTED[0]]


async def test_an_old_object_is_renewed_as_it_is(clients: Clients, bucket: str) -> None:
    now = time.time()
    store = S3AssetStore(clients.s3, bucket=bucket, public_url="", clock=lambda: now)
    told = {"note": "Größe 1"}
    await store.put("images/a.png", b"picture", content_type="image/png", metadata=told)
    before = await clients.s3.head_object(Bucket=bucket, Key="images/a.png")
    now += 3600
    await store.renew("images/a.png")
    young = await clients.s3.head_object(Bucket=bucket, Key="images/a.png")
    assert young["LastModified"] == before["LastModified"]
    await asyncio.sleep(1.1)  # S3 tells whole seconds
    now += 2 * DAY
    await store.renew("images/a.png")
    after = await clients.s3.head_object(Bucket=bucket, Key="images/a.png")
    assert after["LastModified"] > before["LastModified"]
    assert after["CacheControl"] == before["CacheControl"]
    assert await store.get("images/a.png") == b"picture"
    info = await store.head("images/a.png")
    assert (info.content_type, info.metadata) == ("image/png", told)
    with pytest.raises(AssetNotFound):
        await store.renew("images/b.png")


async def test_what_exists_is_not_created_again(clients: Clients, bucket: str) -> None:
    assert not await create_bucket(clients.s3, bucket)


async def test_several_may_create_at_once(clients: Clients, name: str) -> None:
    created = await asyncio.gather(*(create_bucket(clients.s3, name) for _ in range(5)))
    assert any(created)
    found = await clients.s3.get_bucket_lifecycle_configuration(Bucket=name)
    assert [each["ID"] for each in found["Rules"]] == [*lifecycle(USUAL), ABORTED[0]]


async def test_a_bucket_keeps_the_rules_it_has(clients: Clients, name: str) -> None:
    rule: Any = {
        "ID": "theirs",
        "Status": "Enabled",
        "Filter": {"Prefix": "x/"},
        "Expiration": {"Days": 9},
    }
    await clients.s3.create_bucket(Bucket=name)
    await clients.s3.put_bucket_lifecycle_configuration(
        Bucket=name, LifecycleConfiguration={"Rules": [rule]}
    )
    await create_bucket(clients.s3, name, origins=[CONSOLE])
    await create_bucket(clients.s3, name, origins=["https://other.example.com"])
    found = await clients.s3.get_bucket_lifecycle_configuration(Bucket=name)
    assert [each["ID"] for each in found["Rules"]] == ["theirs"]
    (cors,) = (await clients.s3.get_bucket_cors(Bucket=name))["CORSRules"]
    assert cors["AllowedOrigins"] == [CONSOLE]


async def test_a_bucket_whose_making_was_cut_short_is_completed(
    clients: Clients, requests: Requests, name: str
) -> None:
    requests.answers["PutBucketLifecycleConfiguration"] = [(500, "InternalError")]
    with pytest.raises(Unavailable):
        await create_bucket(clients.s3, name)
    assert not await create_bucket(clients.s3, name)
    found = await clients.s3.get_bucket_lifecycle_configuration(Bucket=name)
    assert [each["ID"] for each in found["Rules"]] == [*lifecycle(USUAL), ABORTED[0]]


async def test_another_accounts_bucket_is_no_bucket_of_ours(
    clients: Clients, requests: Requests, name: str
) -> None:
    requests.answers["HeadBucket"] = [(403, "403")]
    with pytest.raises(InvalidRequest, match=name) as taken:
        await create_bucket(clients.s3, name)
    assert taken.value.field == "SHORT_DRAMA_BUCKET"
    assert taken.value.fix


async def test_a_bucket_that_cannot_be_closed_is_told_of(
    clients: Clients, requests: Requests, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    requests.answers["PutPublicAccessBlock"] = [(501, "NotImplemented")]
    assert await create_bucket(clients.s3, name)
    assert "cannot close the bucket" in caplog.text


async def test_a_bucket_that_may_not_be_closed_is_no_success(
    clients: Clients, requests: Requests, name: str
) -> None:
    requests.answers["PutPublicAccessBlock"] = [(403, "AccessDenied")]
    with pytest.raises(Unavailable, match="AWS s3 refuses PutPublicAccessBlock: AccessDenied"):
        await create_bucket(clients.s3, name)


async def test_an_open_bucket_is_left_as_it_is_with_a_warning(
    clients: Clients, bucket: str, requests: Requests, caplog: pytest.LogCaptureFixture
) -> None:
    missing = "NoSuchPublicAccessBlockConfiguration"
    requests.answers["GetPublicAccessBlock"] = [(404, missing)]
    with caplog.at_level(logging.WARNING):
        assert not await create_bucket(clients.s3, bucket)
    assert f"{bucket} does not block all public access" in caplog.text
    assert "PutPublicAccessBlock" not in [operation for operation, _ in requests.sent]


async def test_a_bucket_is_asked_for_in_the_clients_region_with_its_owner(
    aws: Emulators, name: str
) -> None:
    wanted: list[dict[str, Any]] = []
    async with open_clients("eu-west-1") as opened:
        opened.s3.meta.events.register(
            "provide-client-params.s3.CreateBucket",
            lambda params, **_: wanted.append(params),
        )
        assert await create_bucket(opened.s3, name)
    assert wanted[0]["CreateBucketConfiguration"] == {"LocationConstraint": "eu-west-1"}
    assert wanted[0]["ObjectOwnership"] == "BucketOwnerEnforced"
