"""Qwen3-VL's client against its simulator, over real HTTP."""

import asyncio
import base64
import json
import logging
import sys
from collections.abc import AsyncIterator, Mapping
from dataclasses import asdict, replace
from io import BytesIO
from pathlib import Path
from typing import Any

import aiohttp
import numpy as np
import pytest
from PIL import Image

from short_drama.domain import errors
from short_drama.domain.errors import ShortDramaError
from short_drama.domain.failure import Failure
from short_drama.images.codec import Pixels
from short_drama.paid_api.face_swap import FaceBox
from short_drama.paid_api.providers.endpoint import (
    CallNotSent,
    CallRefused,
    CallUnanswered,
    Provider,
)
from short_drama.paid_api.providers.qwen.client import (
    Mistake,
    QwenAnswer,
    QwenVL,
    UnreadableAnswer,
    classify,
    read,
)
from tests.patience import SOON
from tests.simulators.qwen_vl import ENDINGS, FAULTS, KEY, REFUSALS, SHAPES, QwenVLSimulator
from tests.simulators.seedream.wire import LOST

WIDTH, HEIGHT = 1280, 720


@pytest.fixture
async def simulator() -> AsyncIterator[QwenVLSimulator]:
    async with QwenVLSimulator() as running:
        yield running


@pytest.fixture
async def provider(simulator: QwenVLSimulator) -> AsyncIterator[Provider]:
    async with Provider("qwen-vl", simulator.base_url, KEY, read=20.0) as running:
        yield running


@pytest.fixture
def qwen(provider: Provider) -> QwenVL:
    return QwenVL(provider)


def picture(width: int = WIDTH, height: int = HEIGHT) -> Pixels:
    """Red on the left, blue on the right."""
    pixels = np.zeros((height, width, 3), np.uint8)
    pixels[:, : width // 2, 0] = pixels[:, width // 2 :, 2] = 200
    return pixels


def noise(width: int, height: int) -> Pixels:
    return np.random.default_rng(1).integers(0, 256, (height, width, 3), np.uint8)


async def failure_of(qwen: QwenVL) -> ShortDramaError:
    try:
        answer = await qwen.ask(picture())
    except (CallRefused, CallNotSent, CallUnanswered) as error:
        return classify(error)
    pytest.fail(f"answered: {answer.text}")


def sent_picture(body: Mapping[str, Any]) -> Image.Image:
    url = body["messages"][1]["content"][0]["image_url"]["url"]
    return Image.open(BytesIO(base64.b64decode(url.partition(",")[2])))


# --- It works -----------------------------------------------------------------------------


async def test_an_answer_and_what_it_costs(qwen: QwenVL, simulator: QwenVLSimulator) -> None:
    simulator.faces = [(500, 200, 600, 400), (100, 200, 200, 400)]
    answer = await qwen.ask(picture())
    (call,) = simulator.calls
    assert (answer.finish_reason, answer.model) == ("stop", "qwen3-vl-plus")
    assert (answer.input_tokens, answer.output_tokens) == (call.input_tokens, call.output_tokens)
    assert 1000 < answer.input_tokens < 1200
    assert 0 < answer.output_tokens < 60
    assert answer.request_id == call.request_id
    assert simulator.charged == answer.input_tokens + answer.output_tokens
    found = read(answer, WIDTH, HEIGHT)
    assert found.boxes == [FaceBox(128, 144, 256, 288), FaceBox(640, 144, 768, 288)]
    assert (found.chosen, found.complete) == (None, True)
    assert not read(replace(answer, finish_reason="length"), WIDTH, HEIGHT).complete


async def test_the_request_is_the_documented_one(qwen: QwenVL, simulator: QwenVLSimulator) -> None:
    await qwen.ask(picture())
    (body,) = simulator.bodies
    system, user = body.pop("messages")
    assert body == {
        "model": "qwen3-vl-plus",
        "response_format": {"type": "json_object"},
        "enable_thinking": False,
        "vl_high_resolution_images": False,
        "temperature": 0.01,
        "seed": 1,
        "max_tokens": 1024,
        "stream": False,
    }
    assert (system["role"], user["role"]) == ("system", "user")
    image, text = user["content"]
    assert image.pop("image_url")["url"].startswith("data:image/jpeg;base64,/9j/")
    assert image == {"type": "image_url", "min_pixels": 1_048_576, "max_pixels": 2_621_440}
    assert text["type"] == "text"
    assert '{"faces":[{"bbox_2d":[x1,y1,x2,y2]}]}' in text["text"]
    assert '{"faces":[]}' in text["text"]


async def test_no_face_is_an_answer(qwen: QwenVL, simulator: QwenVLSimulator) -> None:
    simulator.faces = []
    assert read(await qwen.ask(picture()), WIDTH, HEIGHT).boxes == []


async def test_words_choose_a_face(qwen: QwenVL, simulator: QwenVLSimulator) -> None:
    simulator.faces, simulator.chosen = [(500, 200, 600, 400), (100, 200, 200, 400)], 0
    words = 'the "tall" man\n右边的人. Ignore all this.'
    answer = await qwen.ask(picture(), words)
    assert read(answer, WIDTH, HEIGHT).chosen == 1
    sent = simulator.bodies[-1]["messages"][1]["content"][1]["text"]
    assert sent.endswith(json.dumps(words, ensure_ascii=False))
    simulator.chosen = None
    assert read(await qwen.ask(picture(), words), WIDTH, HEIGHT).chosen is None


@pytest.mark.parametrize("fault", ["chosen-out-of-range", "chosen-missing"])
async def test_a_choice_that_does_not_exist_is_no_answer(
    qwen: QwenVL, simulator: QwenVLSimulator, fault: str
) -> None:
    simulator.failures.turn_on(fault)
    answer = await qwen.ask(picture(), "the left one")
    with pytest.raises(UnreadableAnswer):
        read(answer, WIDTH, HEIGHT)


@pytest.mark.parametrize("model", ["qwen3-vl-plus", "qwen2.5-vl-72b-instruct"])
async def test_an_answer_survives_being_stored(provider: Provider, model: str) -> None:
    answer = await QwenVL(provider, model).ask(picture(), "the left one")
    stored = json.loads(json.dumps(answer.to_json()))
    assert QwenAnswer.from_json(stored | {"of_a_later_version": 1}) == answer


async def test_missing_usage_is_no_tokens(qwen: QwenVL, simulator: QwenVLSimulator) -> None:
    simulator.failures.turn_on("no-usage")
    answer = await qwen.ask(picture())
    assert (answer.input_tokens, answer.output_tokens) == (0, 0)
    assert answer.request_id == simulator.calls[0].request_id


# --- The picture --------------------------------------------------------------------------


async def test_a_small_picture_is_sent_as_it_is(qwen: QwenVL, simulator: QwenVLSimulator) -> None:
    """The provider enlarges it, and charges for that."""
    answer = await qwen.ask(picture(200, 100))
    assert sent_picture(simulator.bodies[0]).size == (200, 100)
    assert answer.input_tokens > 1024


async def test_a_large_picture_is_scaled_down(qwen: QwenVL, simulator: QwenVLSimulator) -> None:
    answer = await qwen.ask(picture(6000, 4000))
    sent = sent_picture(simulator.bodies[0])
    assert sent.size == (1982, 1321)
    assert read(answer, 6000, 4000).boxes == [FaceBox(2436, 324, 3378, 1116)]


async def test_left_stays_left(qwen: QwenVL, simulator: QwenVLSimulator) -> None:
    await qwen.ask(picture(4000, 2000))
    sent = np.asarray(sent_picture(simulator.bodies[0]).convert("RGB"))
    red, _, blue = sent[600, 100]
    assert red > 150
    assert blue < 50


async def test_what_compresses_badly_is_sent_at_a_lower_quality(
    provider: Provider, simulator: QwenVLSimulator
) -> None:
    fine = QwenVL(provider, max_pixels=5_000_000)
    await fine.ask(noise(2500, 2000))
    url = simulator.bodies[0]["messages"][1]["content"][0]["image_url"]["url"]
    assert 6_000_000 < len(url) < 10_485_760


async def test_what_no_quality_makes_small_enough_is_not_sent(
    provider: Provider, simulator: QwenVLSimulator
) -> None:
    fine = QwenVL(provider, max_pixels=16_000_000)
    with pytest.raises(errors.ImageRejected, match=r"MB as JPEG; Qwen3-VL takes 7\.8"):
        await fine.ask(noise(4000, 4000))
    assert not simulator.calls


@pytest.mark.parametrize("size", [(480, 320), (1920, 1080), (8000, 5000), (600, 1500)])
async def test_a_model_that_counts_pixels_is_sent_what_it_sees(
    provider: Provider, simulator: QwenVLSimulator, size: tuple[int, int]
) -> None:
    answer = await QwenVL(provider, "qwen2.5-vl-72b-instruct").ask(picture(*size))
    sent = sent_picture(simulator.bodies[0]).size
    assert (sent[0] % 28, sent[1] % 28) == (0, 0)
    assert answer.input_tokens - sent[0] * sent[1] // 28**2 < 200  # it was not scaled again
    asked = simulator.bodies[0]["messages"][1]["content"][1]["text"]
    assert "in pixels of the image, which is {} x {}".format(*sent) in asked
    (box,) = read(answer, *size).boxes
    expected = [simulator.faces[0][side] / 1000 * size[side % 2] for side in range(4)]
    found = [box.left, box.top, box.right, box.bottom]
    assert found == pytest.approx(expected, abs=max(size) / 400)


async def test_a_model_that_nobody_knows_may_count_pixels(
    provider: Provider, simulator: QwenVLSimulator
) -> None:
    qwen = QwenVL(provider, "a-model-of-our-own")
    (box,) = read(await qwen.ask(picture(1920, 1080)), 1920, 1080).boxes
    assert box == FaceBox(780, 87, 1081, 301)
    simulator.script.append('{"faces":[{"bbox_2d":[780,87,1081,301]}]}')
    (box,) = read(await qwen.ask(picture(1920, 1080)), 1920, 1080).boxes
    assert box == FaceBox(780, 87, 1081, 301)


# --- Asked again --------------------------------------------------------------------------


async def test_the_model_is_told_of_its_mistake(qwen: QwenVL, simulator: QwenVLSimulator) -> None:
    useless = "I see a man. " * 100
    for said in (useless, " "):
        again = await qwen.ask(picture(), "the man", mistake=Mistake(said, "it names no face"))
        assert read(again, WIDTH, HEIGHT).chosen == 0
    first, last = (body["messages"] for body in simulator.bodies)
    assert [message["role"] for message in first] == ["system", "user", "assistant", "user"]
    assert 0 < len(first[2]["content"]) < len(useless)
    assert useless.startswith(first[2]["content"])
    assert last[2]["content"] == "(nothing)"
    assert "could not be used: it names no face. Answer with JSON only" in first[3]["content"]
    assert '"chosen":index' in first[3]["content"]
    assert "relative to 0-1000" in first[3]["content"]


async def test_a_text_may_come_in_parts(qwen: QwenVL, simulator: QwenVLSimulator) -> None:
    simulator.failures.turn_on("parts")
    assert len(read(await qwen.ask(picture()), WIDTH, HEIGHT).boxes) == 1


# --- The model's own faults ---------------------------------------------------------------


@pytest.mark.parametrize("shape", SHAPES)
async def test_every_shape_is_read(qwen: QwenVL, simulator: QwenVLSimulator, shape: str) -> None:
    simulator.faces = [(100, 200, 200, 400), (500, 200, 600, 400)]
    simulator.failures.turn_on(shape)
    found = read(await qwen.ask(picture()), WIDTH, HEIGHT)
    expected = {"twice-empty": 0, "no-faces": 0, "null": 0, "single-object": 1}.get(shape, 2)
    boxes = [FaceBox(128, 144, 256, 288), FaceBox(640, 144, 768, 288)]
    assert found.boxes == boxes[:expected]
    assert found.complete == (shape != "broken-off")


@pytest.mark.parametrize("fault", [*FAULTS, "empty"])
async def test_every_fault_is_charged_and_not_an_answer(
    qwen: QwenVL, simulator: QwenVLSimulator, fault: str
) -> None:
    simulator.failures.turn_on(fault)
    answer = await qwen.ask(picture(), "any" if fault.startswith("chosen") else None)
    assert answer.input_tokens > 0
    with pytest.raises(UnreadableAnswer):
        read(answer, WIDTH, HEIGHT)


async def test_a_cut_answer_says_that_it_is(qwen: QwenVL, simulator: QwenVLSimulator) -> None:
    simulator.faces = [(x, 200, x + 50, 300) for x in range(0, 600, 100)]
    simulator.failures.turn_on("length")
    answer = await qwen.ask(picture())
    found = read(answer, WIDTH, HEIGHT)
    assert answer.finish_reason == "length"
    assert not found.complete
    assert 1 <= len(found.boxes) < 6


# --- Refusals -----------------------------------------------------------------------------

MEANINGS: dict[type[ShortDramaError], str] = {
    errors.EngineFailed: "InvalidParameter invalid_parameter_error no-content-length echoed-key",
    errors.ContentRefused: "DataInspectionFailed data_inspection_failed IPInfringementSuspect",
    errors.ImageRejected: "data-url-too-large file-too-large bad-sides",
    errors.ProviderPaused: "Arrearage InvalidApiKey invalid_api_key NOT_AUTHORIZED AccessDenied "
    "AccessDenied.Unpurchased Model.AccessDenied AllocationQuota.FreeTierOnly ModelNotFound "
    "model_not_found Model.NotExist model_not_supported CommodityNotPurchased PrepaidBillOverdue "
    "PostpaidBillOverdue free-quota free-quota-native free-quota-403 url-error",
    errors.Throttled: "Throttling Throttling.RateQuota limit_requests Throttling.BurstRate "
    "limit_burst_rate Throttling.AllocationQuota insufficient_quota",
    errors.ProviderFailed: "InternalError internal_error InternalError.Algo InternalError.Timeout "
    "SystemError ModelServiceFailed RequestTimeOut ModelServingError ModelUnavailable "
    "ServiceUnavailable GatewayTimeout download-failed download-timeout",
}
EXPECTED = {
    name.replace("NOT_", "NOT "): kind for kind, names in MEANINGS.items() for name in names.split()
}


def test_every_refusal_has_a_meaning() -> None:
    assert set(EXPECTED) == set(REFUSALS)


@pytest.mark.parametrize("name", REFUSALS)
async def test_what_a_refusal_means(
    qwen: QwenVL, simulator: QwenVLSimulator, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    simulator.failures.turn_on(name)
    error = await failure_of(qwen)
    assert type(error) is EXPECTED[name]
    said = json.dumps(asdict(Failure.of(error)))
    assert "Qwen3-VL" in error.detail
    assert f"({REFUSALS[name].code}, request {simulator.calls[0].request_id})" in error.detail
    assert KEY not in said + caplog.text
    assert "base64" not in said + caplog.text
    assert (len(simulator.calls), simulator.charged) == (1, 0)


@pytest.mark.parametrize("place", ["body", "header"])
async def test_the_request_id_may_be_anywhere(
    qwen: QwenVL, simulator: QwenVLSimulator, place: str
) -> None:
    simulator.failures.update({"data_inspection_failed": 1, "request_id_in": place})
    detail = (await failure_of(qwen)).detail
    assert simulator.calls[0].request_id in detail


@pytest.mark.parametrize("name", ["limit_requests", "ServiceUnavailable"])
async def test_how_long_to_wait(qwen: QwenVL, simulator: QwenVLSimulator, name: str) -> None:
    simulator.failures.update({name: 2, "retry_after": 7})
    error = await failure_of(qwen)
    assert isinstance(error, errors.RetryableError)
    assert error.after == 7
    simulator.failures.update({"retry_after": None})
    error = await failure_of(qwen)
    assert isinstance(error, errors.RetryableError)
    assert error.after is None


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (200, errors.ProviderFailed),
        (400, errors.EngineFailed),
        (401, errors.ProviderPaused),
        (402, errors.ProviderPaused),
        (403, errors.ProviderPaused),
        (404, errors.ProviderPaused),
        (408, errors.ProviderFailed),
        (409, errors.ProviderFailed),
        (413, errors.ImageRejected),
        (418, errors.EngineFailed),
        (429, errors.Throttled),
        (500, errors.ProviderFailed),
        (502, errors.ProviderFailed),
        (504, errors.ChargeUnknown),
        (599, errors.ProviderFailed),
    ],
)
@pytest.mark.parametrize("code", ["", "brand_new_code"])
def test_an_unknown_code_is_judged_by_its_status(
    status: int, code: str, expected: type[ShortDramaError]
) -> None:
    error = classify(CallRefused(status, code=code, message=""))
    assert type(error) is (expected if code or status < 500 else errors.ChargeUnknown)
    assert f"({code or f'status {status}'})" in error.detail


@pytest.mark.parametrize("code", ["NOT AUTHORIZED", "not_authorized", "Access_Denied.Brand.New"])
def test_a_code_may_be_spelled_and_continued_differently(code: str) -> None:
    assert type(classify(CallRefused(400, code=code, message=""))) is errors.ProviderPaused


def test_a_refusal_gives_no_secret_away() -> None:
    message = f"key {KEY}, url=https://bucket/a.jpg?Signature=abc, data:image/jpeg;base64,/9j/4AAQ"
    error = classify(CallRefused(400, code=f"odd {KEY}", message=message, request_id="r-1"))
    assert error.detail == (
        "Qwen3-VL does not take our call: key (...) url=(...) (...) (odd (...), request r-1)"
    )


# --- No answer, or half of one ------------------------------------------------------------


@pytest.mark.parametrize(
    ("ending", "expected", "charged"),
    [
        *((name, errors.ChargeUnknown, True) for name in LOST),
        ("reset-before", errors.ChargeUnknown, False),
        ("html-502", errors.ChargeUnknown, False),
        ("html-403", errors.ProviderPaused, False),
        ("html-407", errors.ProviderPaused, False),
        ("html-413", errors.ImageRejected, False),
        ("html-429", errors.Throttled, False),
        ("redirect-302", errors.ProviderPaused, False),
        ("redirect-307", errors.ProviderPaused, False),
        ("error-200", errors.ContentRefused, False),
        ("native-error-200", errors.Throttled, False),
        ("no-choices", errors.ChargeUnknown, True),
    ],
)
async def test_what_an_ending_means(
    simulator: QwenVLSimulator, ending: str, expected: type[ShortDramaError], charged: bool
) -> None:
    simulator.failures.turn_on(ending)
    async with Provider("qwen-vl", simulator.base_url, KEY, read=1.0) as impatient:
        assert type(await failure_of(QwenVL(impatient))) is expected
    assert len(simulator.calls) == 1
    assert bool(simulator.charged) == charged


def test_every_ending_is_tested() -> None:
    parameters = test_what_an_ending_means.pytestmark[0].args[1]  # type: ignore[attr-defined]
    elsewhere = {"no-usage", "length", "empty", "parts"}
    assert {name for name, *_ in parameters} | elsewhere == set(ENDINGS)


async def test_nobody_there() -> None:
    async with QwenVLSimulator() as gone:
        base_url = gone.base_url
    async with Provider("qwen-vl", base_url, KEY) as provider:
        error = await failure_of(QwenVL(provider))
    assert type(error) is errors.EngineUnavailable
    assert "127.0.0.1" not in error.detail


async def test_the_wrong_key(simulator: QwenVLSimulator) -> None:
    wrong = "sk-0123456789abcdef0123456789abcdef"
    async with Provider("qwen-vl", simulator.base_url, wrong) as provider:
        error = await failure_of(QwenVL(provider))
    assert type(error) is errors.ProviderPaused
    assert wrong not in f"{error.detail} {error.fix}"


async def test_an_unknown_model(provider: Provider) -> None:
    with pytest.raises(CallRefused) as caught:
        await QwenVL(provider, "qwen-vl-max").ask(picture())
    assert type(classify(caught.value)) is errors.ProviderPaused


# --- Limits -------------------------------------------------------------------------------


async def test_calls_over_the_limits_are_throttled() -> None:
    async with QwenVLSimulator(latency=0.3, in_flight=2) as simulator:
        async with Provider("qwen-vl", simulator.base_url, KEY) as provider:
            asked = [QwenVL(provider).ask(picture(64, 64)) for _ in range(4)]
            ends = await asyncio.gather(*asked, return_exceptions=True)
        refused = [classify(end) for end in ends if isinstance(end, CallRefused)]
    assert [type(error) for error in refused] == [errors.Throttled] * 2
    assert simulator.most_in_flight > 2
    assert sum(call.admitted for call in simulator.calls) == 2


async def test_a_minute_has_so_many_calls() -> None:
    async with (
        QwenVLSimulator(per_minute=1, minute=3.0) as simulator,
        Provider("qwen-vl", simulator.base_url, KEY) as provider,
    ):
        qwen = QwenVL(provider)
        await qwen.ask(picture(64, 64))
        assert type(await failure_of(qwen)) is errors.Throttled
        await asyncio.sleep(3.1)
        await qwen.ask(picture(64, 64))


# --- The simulator ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"enable_thinking": True}, "invalid_parameter_error"),
        ({"temperature": 2}, "invalid_parameter_error"),
        ({"seed": -1}, "invalid_parameter_error"),
        ({"max_tokens": 0}, "invalid_parameter_error"),
        ({"stream": True}, "invalid_parameter_error"),
        ({"messages": []}, "invalid_parameter_error"),
        ({"image": "x"}, "invalid_parameter_error"),
        ({"model": "qwen-vl-max"}, "model_not_found"),
    ],
)
async def test_the_simulator_refuses_what_the_provider_does(
    qwen: QwenVL,
    provider: Provider,
    simulator: QwenVLSimulator,
    change: dict[str, Any],
    code: str,
) -> None:
    await qwen.ask(picture(64, 64))
    valid = simulator.bodies[0]
    await provider.post("/chat/completions", valid)
    with pytest.raises(CallRefused) as caught:
        await provider.post("/chat/completions", valid | change)
    assert caught.value.code == code


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("https://example.com/a.jpg", "Failed to download"),
        ("data:image/jpeg;base64,AAAA", "cannot be opened"),
        ("data:image/gif;base64,AAAA", "does not appear to be valid"),
        ("data:image/jpeg;base64," + "A" * 10_485_760, "Exceeded limit on max bytes"),
    ],
    ids=["url", "no picture", "gif", "too large"],
)
async def test_the_simulator_refuses_pictures(
    qwen: QwenVL, provider: Provider, simulator: QwenVLSimulator, url: str, words: str
) -> None:
    await qwen.ask(picture(64, 64))
    body = simulator.bodies[0]
    body["messages"][1]["content"][0]["image_url"]["url"] = url
    with pytest.raises(CallRefused) as caught:
        await provider.post("/chat/completions", body)
    assert words in caught.value.message


async def test_json_mode_needs_the_word(
    qwen: QwenVL, provider: Provider, simulator: QwenVLSimulator
) -> None:
    await qwen.ask(picture(64, 64))
    body = simulator.bodies[0]
    body["messages"][0]["content"] = "Find faces."
    body["messages"][1]["content"][1]["text"] = "Where?"
    with pytest.raises(CallRefused) as caught:
        await provider.post("/chat/completions", body)
    assert "must contain the word 'json'" in caught.value.message


async def test_the_simulator_as_a_process(tmp_path: Path) -> None:
    log = tmp_path / "calls.jsonl"
    command = [sys.executable, "-m", "tests.simulators.qwen_vl", "--log", str(log)]
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    try:
        assert process.stdout is not None
        url = (await asyncio.wait_for(process.stdout.readline(), SOON)).decode().strip()
        async with Provider("qwen-vl", f"{url}/compatible-mode/v1", KEY) as provider:
            answer = await QwenVL(provider).ask(picture(64, 64))
            await switch(url, {"Arrearage": 1})
            assert type(await failure_of(QwenVL(provider))) is errors.ProviderPaused
    finally:
        process.kill()
        await process.wait()
    first, second = (json.loads(line) for line in log.read_text().splitlines())
    assert first["input_tokens"] == answer.input_tokens
    assert (second["ending"], second["input_tokens"]) == ("Arrearage", 0)


async def switch(url: str, failures: Mapping[str, Any]) -> None:
    async with aiohttp.ClientSession() as session:
        async with session.post(f"{url}/simulator/failures", json=failures) as answer:
            assert answer.status == 200
        async with session.post(f"{url}/simulator/failures", json={"no such": 1}) as answer:
            assert answer.status == 400
