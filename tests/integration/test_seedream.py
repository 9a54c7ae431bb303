"""The SeeDream client against the simulator: what is sent, what is charged, and what each fault
becomes."""

import asyncio
import base64
import contextlib
import json
import sys
from collections.abc import AsyncIterator
from io import BytesIO
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from PIL import Image, ImageDraw

from short_drama.domain import errors as e
from short_drama.images.codec import decode
from short_drama.images.structure import MAX_BYTES
from short_drama.paid_api.providers.endpoint import Provider
from short_drama.paid_api.providers.seedream.client import Generated, SeeDream
from short_drama.paid_api.providers.seedream.models import size_for
from tests.integration.comfyui_stage import until
from tests.patience import SOON
from tests.samples import png
from tests.simulators.seedream import KEY, REFUSALS, SeeDreamSimulator
from tests.simulators.seedream.wire import LOST

FOUR, PRO = "doubao-seedream-4-0-250828", "doubao-seedream-5-0-pro-260628"
SIZE = "1280x720"
PROMPT = "Replace the face in image 1 with the person in image 2. 保留光线。"
GREEN, RED = (30, 160, 60), (200, 40, 30)


def still(width: int = 320, height: int = 180) -> bytes:
    """Green, with a black ellipse in the middle."""
    image = Image.new("RGB", (width, height), GREEN)
    box = (width * 0.4, height * 0.3, width * 0.6, height * 0.7)
    ImageDraw.Draw(image).ellipse(box, fill=(0, 0, 0))
    out = BytesIO()
    image.save(out, "JPEG", quality=95)
    return out.getvalue()


STILL, FACE = still(), png(60, 80, RED)


@contextlib.asynccontextmanager
async def a_client(
    seedream: SeeDreamSimulator,
    model: str = FOUR,
    *,
    key: str = KEY,
    seconds: float = 20,
    **more: Any,
) -> AsyncIterator[SeeDream]:
    more = {"pauses": (0, 0)} | more
    async with (
        Provider("seedream", seedream.base_url, key, read=seconds) as provider,
        SeeDream(provider, model, **more) as client,
    ):
        yield client


@pytest.fixture
async def seedream() -> AsyncIterator[SeeDreamSimulator]:
    async with SeeDreamSimulator() as simulator:
        yield simulator


async def generate(client: SeeDream, **changes: Any) -> Generated:
    wanted = {"prompt": PROMPT, "images": [STILL, FACE], "size": SIZE} | changes
    return await client.generate(**wanted)


async def refusal(seedream: SeeDreamSimulator, **more: Any) -> e.ShortDramaError:
    async with a_client(seedream, **more) as client:
        with pytest.raises(e.ShortDramaError) as caught:
            await generate(client)
    return caught.value


def colour(data: bytes, across: float, down: float) -> tuple[int, ...]:
    pixels = decode(data).pixels
    return tuple(map(int, pixels[int(pixels.shape[0] * down), int(pixels.shape[1] * across)]))


# --- A picture ----------------------------------------------------------------------------


async def test_a_model_behind_an_endpoint_is_what_is_sized_and_told(
    seedream: SeeDreamSimulator,
) -> None:
    endpoint = "ep-20261101120000-simul"
    async with a_client(seedream, PRO, endpoint=endpoint) as client:
        made = await generate(client, size="1280x720")  # less than every model makes
    assert (client.model, made.model) == (PRO, PRO)
    assert seedream.bodies[-1]["model"] == endpoint


async def test_a_picture_in_the_answer_itself_is_taken(seedream: SeeDreamSimulator) -> None:
    """What was asked for is its URL; but it is paid for, and there."""
    seedream.failures.turn_on("no-url")
    async with a_client(seedream) as client:
        made = Generated.from_json(json.loads(json.dumps((await generate(client)).to_json())))
        assert decode(await client.download(made.url)).size == (1280, 720)
    assert (seedream.charged, seedream.results.downloads) == (1, 0)
    assert "data:" not in repr(made)


@pytest.mark.parametrize(
    ("told", "pixels"),
    [
        ({"size": "1280x720", "tokens": 16_384}, 921_600),
        ({"size": "2K", "tokens": 16_384}, 4_194_304),
        ({"tokens": 8, "pictures": 2}, 1024),
        ({"size": "0x9"}, None),
        ({"size": "7x", "tokens": 0}, None),
    ],
)
def test_how_many_pixels_were_made(told: dict[str, Any], pixels: int | None) -> None:
    assert Generated(model=FOUR, url="http://host/1.jpg", **told).pixels == pixels


@pytest.mark.parametrize(("model", "kind"), [(FOUR, "image/jpeg"), (PRO, "image/png")])
async def test_a_picture_is_made_and_charged_once(
    seedream: SeeDreamSimulator, model: str, kind: str
) -> None:
    async with a_client(seedream, model, output_format="png") as client:
        made = await generate(client)
        data = await client.download(made.url)
    picture = decode(data)
    assert (picture.size, picture.content_type) == ((1280, 720), kind)
    assert colour(data, 0.5, 0.5) == pytest.approx(RED, abs=8)
    assert colour(data, 0.1, 0.1) == pytest.approx(GREEN, abs=8)
    assert (made.model, made.size, made.pictures) == (model, "1280x720", 1)
    assert made.tokens == 1280 * 720 // 256
    assert made.pictures_in == (2 if model == PRO else None)
    (call,) = seedream.calls
    assert (made.request_id, seedream.charged) == (call.request_id, 1)
    assert (seedream.results.downloads, seedream.results.keys_seen) == (1, 0)


@pytest.mark.parametrize(
    ("model", "more"),
    [(FOUR, set()), ("ep-20261101120000-simul", set()), (PRO, {"output_format"})],
)
async def test_only_what_every_model_takes_is_sent(
    seedream: SeeDreamSimulator, model: str, more: set[str]
) -> None:
    async with a_client(seedream, model) as client:
        await generate(client, size="2048x2048")
    (body,) = seedream.bodies
    minimal = {"model", "prompt", "image", "size", "response_format", "watermark"}
    assert set(body) == minimal | more
    assert (body["model"], body["prompt"], body["size"]) == (model, PROMPT, "2048x2048")
    assert (body["watermark"], body["response_format"]) == (False, "url")
    assert body.get("output_format", "jpeg") == "jpeg"
    assert body["image"] == [
        f"data:image/jpeg;base64,{base64.b64encode(STILL).decode()}",
        f"data:image/png;base64,{base64.b64encode(FACE).decode()}",
    ]


async def test_the_watermark_can_be_asked_for(seedream: SeeDreamSimulator) -> None:
    async with a_client(seedream, watermark=True) as client:
        await generate(client)
    assert seedream.bodies[0]["watermark"] is True


async def test_the_size_is_that_of_the_bytes(seedream: SeeDreamSimulator) -> None:
    async with a_client(seedream) as client:
        seedream.failures.turn_on("wrong-size")
        made = await generate(client)
        picture = decode(await client.download(made.url))
        assert (made.size, picture.size) == (SIZE, (640, 360))
        seedream.failures.turn_on("wrong-aspect")
        made = await generate(client)
        picture = decode(await client.download(made.url))
        assert (made.size, picture.size) == ("1280x900", (1280, 900))


async def test_a_made_picture_survives_a_checkpoint(seedream: SeeDreamSimulator) -> None:
    async with a_client(seedream) as client:
        made = await generate(client)
    async with a_client(seedream) as client:
        again = Generated.from_json(json.loads(json.dumps(made.to_json())) | {"unknown": 1})
        assert again == made
        assert len(await client.download(again.url)) > 1000
    assert "X-Tos-Signature" not in repr(made)


@pytest.mark.parametrize("source", [(1920, 1080), (64, 800), (16, 256), (4000, 3000)])
@pytest.mark.parametrize("model", [FOUR, "seedream-4-5-251128", PRO, "ep-20261101120000-simul"])
async def test_the_simulator_takes_every_size_that_auto_gives(
    seedream: SeeDreamSimulator, model: str, source: tuple[int, int]
) -> None:
    seedream.failures.turn_on("data-error")  # no picture need be made
    async with a_client(seedream, model) as client:
        with pytest.raises(e.ContentRefused):
            await generate(client, size=size_for(model, "auto", *source))
    assert seedream.charged == 0


# --- Before it is sent --------------------------------------------------------------------


def noise(width: int, height: int) -> bytes:
    out = BytesIO()
    image = Image.effect_noise((width, height), 200).convert("RGB")
    image.save(out, "PNG", compress_level=0)
    return out.getvalue()


@pytest.mark.parametrize(
    ("changes", "kind", "field", "words"),
    [
        ({"images": []}, e.InvalidRequest, "images", "0 pictures were given"),
        ({"images": [FACE] * 15}, e.InvalidRequest, "images", "takes 1 to 14"),
        ({"images": [STILL, b"GIF89a"]}, e.ImageRejected, "images[1]", "a GIF image"),
        ({"images": [png(600, 20)]}, e.ImageRejected, "images[0]", "16:1"),
        ({"images": [STILL, png(15, 15)]}, e.ImageRejected, "images[1]", "15 x 15"),
        ({"images": [noise(2100, 1700)]}, e.ImageRejected, "images[0]", "10.7 MB"),
        ({"images": [png(6001, 6000)]}, e.ImageRejected, "images[0]", "36 megapixels"),
        (
            {"images": [STILL, b""], "fields": ["masked_image_url", "target_face_url"]},
            e.ImageRejected, "target_face_url", "empty",
        ),
        ({"prompt": " \n"}, e.InvalidRequest, "prompt", "empty"),
        ({"size": "640x480"}, e.InvalidRequest, "size", "307,200 pixels"),
        ({"size": "2K"}, e.InvalidRequest, "size", "WIDTHxHEIGHT"),
    ],
)  # fmt: skip
async def test_what_cannot_work_is_not_sent(
    seedream: SeeDreamSimulator,
    changes: dict[str, Any],
    kind: type[e.UserError],
    field: str,
    words: str,
) -> None:
    async with a_client(seedream) as client:
        with pytest.raises(kind, match=words) as caught:
            await generate(client, **changes)
    assert caught.value.field == field
    assert seedream.calls == []


# --- Refused ------------------------------------------------------------------------------

CONTENT, PAUSED, SLOW = e.ContentRefused, e.ProviderPaused, e.Throttled

MEANINGS: dict[str, tuple[type[e.ShortDramaError], str]] = {
    "InvalidParameter": (e.EngineFailed, "does not take our call"),
    "MissingParameter": (e.EngineFailed, "does not take our call"),
    "InvalidImageURL.InvalidFormat": (e.ImageRejected, "one of the pictures"),
    "InvalidEndpoint.ClosedEndpoint": (PAUSED, "no such model or endpoint"),
    "InputTextSensitiveContentDetected": (CONTENT, "the prompt"),
    "InputImageSensitiveContentDetected": (CONTENT, "something sensitive"),
    "InputImageSensitiveContentDetected.PolicyViolation": (CONTENT, "the provider's rules"),
    "InputImageSensitiveContentDetected.PrivacyInformation": (CONTENT, "a real person"),
    "SensitiveContentDetected.SevereViolation": (CONTENT, "the prompt or a picture"),
    "InputImageRiskDetection": (CONTENT, "one of the pictures"),
    "OutputImageRiskDetection": (CONTENT, "the picture it made"),
    "ContentSecurityDetectionError": (CONTENT, "the prompt or a picture"),
    "OutputImageSensitiveContentDetected": (CONTENT, "the picture it made"),
    "OutputImageSensitiveContentDetected.DeepFake": (CONTENT, "pass for a real person"),
    "AuthenticationError": (PAUSED, "the API key is refused"),
    "InvalidAccountStatus": (PAUSED, "not in order"),
    "AccountOverdueError": (PAUSED, "overdue"),
    "AccessDenied": (PAUSED, "may not use"),
    "OperationDenied.ServiceNotOpen": (PAUSED, "not open"),
    "OperationDenied.ServiceOverdue": (PAUSED, "overdue"),
    "InvalidEndpointOrModel.NotFound": (PAUSED, "no such model"),
    "InvalidEndpointOrModel.ModelIDAccessDisabled": (PAUSED, "no such model"),
    "ModelNotOpen": (PAUSED, "not open"),
    "UnsupportedModel": (PAUSED, "no such model"),
    "ModelAccountIpmRateLimitExceeded": (SLOW, "slow down"),
    "ModelAccountRpmRateLimitExceeded": (SLOW, "slow down"),
    "ModelAccountTpmRateLimitExceeded": (SLOW, "slow down"),
    "APIAccountRpmRateLimitExceeded": (SLOW, "slow down"),
    "RateLimitExceeded.EndpointRPMExceeded": (SLOW, "slow down"),
    "AccountRateLimitExceeded": (SLOW, "slow down"),
    "RequestBurstTooFast": (SLOW, "slow down"),
    "InflightBatchsizeExceeded": (SLOW, "slow down"),
    "ModelLoadingError": (SLOW, "slow down"),
    "ServerOverloaded": (SLOW, "slow down"),
    "503": (SLOW, "slow down"),
    "QuotaExceeded": (PAUSED, "quota is used up"),
    "SetLimitExceeded": (PAUSED, "quota is used up"),
    "InternalServiceError": (e.ProviderFailed, "SeeDream failed"),
    "download-timeout": (e.ProviderFailed, "Timeout while downloading"),
}


def test_every_documented_refusal_is_tested() -> None:
    assert set(MEANINGS) == set(REFUSALS)


@pytest.mark.parametrize("name", MEANINGS)
async def test_a_refusal(seedream: SeeDreamSimulator, name: str) -> None:
    kind, words = MEANINGS[name]
    seedream.failures.turn_on(name)
    error = await refusal(seedream)
    (call,) = seedream.calls
    assert type(error) is kind
    assert words in error.detail
    assert f"({REFUSALS[name].code}, request {call.request_id})" in error.detail
    assert isinstance(error, e.UserError | e.ProviderPaused) == bool(error.fix)
    assert (seedream.charged, getattr(error, "after", None)) == (0, None)
    _tells_no_secret(error)


@pytest.mark.parametrize("name", ["ModelAccountIpmRateLimitExceeded", "503"])
async def test_retry_after_is_passed_on(seedream: SeeDreamSimulator, name: str) -> None:
    seedream.failures.update({name: 1, "retry_after": 7})
    error = await refusal(seedream)
    assert isinstance(error, e.Throttled)
    assert error.after == 7


async def test_the_wrong_key(seedream: SeeDreamSimulator) -> None:
    wrong = "0bad0000-1234-4abc-8def-0123456789ab"
    error = await refusal(seedream, key=wrong)
    assert isinstance(error, e.ProviderPaused)
    assert wrong not in error.detail


def _tells_no_secret(error: e.ShortDramaError) -> None:
    told = f"{error.detail} {error.fix} {error!r}"
    for secret in (KEY, "Signature", "http://", "https://", "base64"):
        assert secret not in told


# --- Answered, and yet no picture ---------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "kind", "charged"),
    [
        ("data-error", e.ContentRefused, 0),
        ("top-level-error", e.ContentRefused, 0),
        ("empty-data", e.ProviderFailed, 0),
        *((name, e.ChargeUnknown, 1) for name in LOST),
        ("reset-before", e.ChargeUnknown, 0),  # which cannot be told from "reset"
        ("html-502", e.ChargeUnknown, 0),
        ("html-403", e.ProviderPaused, 0),
        ("html-407", e.ProviderPaused, 0),
        ("html-413", e.ImageRejected, 0),
        ("html-429", e.Throttled, 0),
        ("says-nothing", e.ChargeUnknown, 1),
    ],
)
async def test_no_picture(
    seedream: SeeDreamSimulator, name: str, kind: type[e.ShortDramaError], charged: int
) -> None:
    seedream.failures.turn_on(name)
    error = await refusal(seedream, seconds=1)
    assert type(error) is kind
    await until(lambda: seedream.charged == charged)
    assert len(seedream.calls) == 1
    if kind is e.ContentRefused:
        request_id = seedream.calls[0].request_id
        assert f"(OutputImageSensitiveContentDetected, request {request_id})" in error.detail
    _tells_no_secret(error)


async def test_no_answer_in_time_is_one_charge_and_no_second_call(
    seedream: SeeDreamSimulator,
) -> None:
    seedream.failures.turn_on("hang")
    async with a_client(seedream, seconds=1) as client:
        with pytest.raises(e.ChargeUnknown, match="may have charged"):
            await generate(client)
    await until(lambda: seedream.charged)
    assert (len(seedream.calls), seedream.charged) == (1, 1)


async def test_nobody_listens() -> None:
    async with SeeDreamSimulator() as seedream:
        pass
    error = await refusal(seedream)
    assert isinstance(error, e.EngineUnavailable)
    _tells_no_secret(error)


async def test_a_cancelled_call_is_still_charged() -> None:
    async with SeeDreamSimulator(latency=0.3) as seedream, a_client(seedream) as client:
        call = asyncio.create_task(generate(client))
        await until(lambda: seedream.bodies)
        call.cancel()
        await until(lambda: seedream.charged)
        assert call.cancelled()


# --- The download -------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name", ["download-503", "download-reset", "download-truncated", "expired", "gone"]
)
async def test_a_download_is_tried_again(seedream: SeeDreamSimulator, name: str) -> None:
    seedream.failures.turn_on(name, 2)
    async with a_client(seedream) as client:
        made = await generate(client)
        assert decode(await client.download(made.url)).size.width == 1280
    assert (seedream.results.downloads, seedream.charged) == (3, 1)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("download-503", "3 tries: status 503"),
        ("download-reset", "3 tries: (Server|ClientOS)"),
        ("download-truncated", "3 tries: ClientPayloadError"),
        ("download-redirect", "3 tries: status 302"),
        ("download-page", "3 tries: the bytes are a web page"),
        ("download-hang", "3 tries: TimeoutError"),
        ("expired", "3 tries: status 403"),
        ("gone", "3 tries: status 404"),
    ],
)
async def test_a_download_that_fails_for_good(
    seedream: SeeDreamSimulator, name: str, words: str
) -> None:
    seedream.failures.turn_on(name, True)
    async with a_client(seedream, download_seconds=0.5) as client:
        made = await generate(client)
        with pytest.raises(e.ProviderFailed, match=words) as caught:
            await client.download(made.url)
    # aiohttp itself asks again when a connection breaks before an answer; for a GET, never a POST.
    assert seedream.results.downloads == (6 if name == "download-reset" else 3)
    _tells_no_secret(caught.value)


async def test_a_download_has_a_largest_size(seedream: SeeDreamSimulator) -> None:
    seedream.failures.turn_on("download-endless", True)
    async with a_client(seedream) as client:
        made = await generate(client)
        with pytest.raises(e.EngineFailed, match=f"{MAX_BYTES // 2**20} MiB"):
            await client.download(made.url)
    assert seedream.results.downloads == 3


async def test_too_many_bytes_once_are_no_picture(seedream: SeeDreamSimulator) -> None:
    seedream.failures.turn_on("download-endless")
    async with a_client(seedream) as client:
        made = await generate(client)
        assert await client.download(made.url)
    assert seedream.results.downloads == 2


# --- The simulator itself -----------------------------------------------------------------


def body(**changes: Any) -> dict[str, Any]:
    url = f"data:image/png;base64,{base64.b64encode(FACE).decode()}"
    whole = {"model": FOUR, "prompt": "x", "image": url, "size": SIZE, "watermark": False}
    return {name: value for name, value in (whole | changes).items() if value is not None}


JPEG_URL = f"data:image/jpeg;base64,{base64.b64encode(STILL).decode()}"


@pytest.mark.parametrize(
    ("changes", "code", "words"),
    [
        ({"model": None}, "MissingParameter", "model"),
        ({"prompt": None}, "MissingParameter", "prompt"),
        ({"image": None}, "MissingParameter", "image"),
        ({"model": "seedream-3-0"}, "InvalidEndpointOrModel.NotFound", "not exist"),
        ({"seed": 1}, "InvalidParameter", "`seed`"),
        ({"guidance_scale": 2}, "InvalidParameter", "`guidance_scale`"),
        ({"output_format": "png"}, "InvalidParameter", "`output_format`"),
        ({"model": PRO, "stream": False}, "InvalidParameter", "`stream`"),
        ({"model": PRO, "sequential_image_generation": "disabled"}, "InvalidParameter", "sequ"),
        ({"size": "512x512"}, "InvalidParameter", "from 921600 to 16777216"),
        ({"size": "16384x1000"}, "InvalidParameter", "aspect"),
        ({"size": "3K"}, "InvalidParameter", "tier"),
        ({"size": "adaptive"}, "InvalidParameter", "tier"),
        ({"model": PRO, "size": "4096x4096"}, "InvalidParameter", "4624220"),
        ({"model": PRO, "image": [JPEG_URL] * 11}, "InvalidParameter", "at most 10"),
        ({"image": JPEG_URL.replace("jpeg", "JPEG")}, "InvalidImageURL.InvalidFormat", ""),
        ({"image": JPEG_URL.replace("jpeg", "png")}, "InvalidImageURL.InvalidFormat", ""),
        ({"image": "data:image/png;base64,@@"}, "InvalidImageURL.InvalidFormat", ""),
        ({"image": "https://a.example/b.png"}, "InvalidParameter", "Timeout while downloading"),
        ({"response_format": "png"}, "InvalidParameter", "response_format"),
    ],
)
async def test_the_simulator_is_strict(
    seedream: SeeDreamSimulator, changes: dict[str, Any], code: str, words: str
) -> None:
    seedream.failures.turn_on("hang")
    headers = {"Authorization": f"Bearer {KEY}"}
    url = f"{seedream.base_url}/images/generations"
    async with (
        aiohttp.ClientSession(headers=headers) as session,
        session.post(url, json=body(**changes)) as answer,
    ):
        error = (await answer.json())["error"]
        request_id = answer.headers["x-request-id"]
        assert answer.status == (404 if "NotFound" in code else 400)
        assert (error["code"], answer.headers["x-error-code"]) == (code, code)
    assert words in error["message"]
    assert error["message"].endswith(f"Request id: {request_id}")
    assert set(error) == {"code", "message", "param", "type"}
    assert (seedream.charged, seedream.failures.switches) == (0, {"hang": 1})


async def test_limits_of_the_account() -> None:
    async with (
        SeeDreamSimulator(latency=1, in_flight=2, per_minute=3) as seedream,
        a_client(seedream) as client,
    ):
        ended = await asyncio.gather(*(generate(client) for _ in range(4)), return_exceptions=True)
        assert [type(one) for one in ended].count(e.Throttled) == 2
        assert seedream.charged == 2
        assert seedream.most_in_flight > 2  # those refused were in flight too
        await generate(client)
        with pytest.raises(e.Throttled, match="ModelAccountIpmRateLimitExceeded"):
            await generate(client)
    codes = [call.ending for call in seedream.calls]
    assert codes.count("InflightBatchsizeExceeded") == 2
    assert seedream.charged == 3


async def test_a_minute_goes_by() -> None:
    async with (
        SeeDreamSimulator(per_minute=1, minute=0.5) as seedream,
        a_client(seedream) as client,
    ):
        await generate(client)
        await asyncio.sleep(0.5)
        await generate(client)
    assert seedream.charged == 2


async def test_the_simulator_as_a_process(tmp_path: Path) -> None:
    log = tmp_path / "calls.jsonl"
    command = [sys.executable, "-m", "tests.simulators.seedream", "--latency", "0.1"]
    command += ["--in-flight", "4", "--per-minute", "9", "--log", str(log)]
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    try:
        assert process.stdout is not None
        async with asyncio.timeout(SOON):
            url = (await process.stdout.readline()).decode().strip()
        async with (
            Provider("seedream", url, KEY) as provider,
            SeeDream(provider, FOUR) as client,
            aiohttp.ClientSession(url) as session,
        ):
            async with session.post("/simulator/failures", json={"QuotaExceeded": 1}) as answer:
                assert answer.status == 200
            async with session.post("/simulator/failures", json={"nonsense": 1}) as answer:
                assert answer.status == 400
            with pytest.raises(e.ProviderPaused):
                await generate(client)
            made = await generate(client)
            assert decode(await client.download(made.url)).size.width == 1280
            async with session.get("/simulator/calls") as answer:
                assert len((await answer.json())["calls"]) == 2
    finally:
        process.terminate()
        await process.wait()
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    assert [(line["ending"], line["charged"]) for line in lines] == [
        ("QuotaExceeded", 0),
        ("answered", 1),
    ]
