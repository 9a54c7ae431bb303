"""What a task is said to cost is never less than it does."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from short_drama.domain.kinds import FaceMaskRequest
from short_drama.paid_api.paying.estimates import (
    ANSWER_TOKENS,
    MISTAKE_TOKENS,
    OWN_WORDS_TOKENS,
    PICTURE_TOKENS,
    detection,
    estimated_steps,
)
from short_drama.paid_api.paying.prices import Prices
from short_drama.paid_api.providers.qwen import client as qwen
from short_drama.paid_api.providers.qwen.models import PATCH, Units, seen_size
from short_drama.paid_api.providers.qwen.questions import QUOTED, Mistake, Question

PRICES = Prices.load()
QWEN, SEEDREAM = "qwen3-vl-plus", "seedream-5-5-261028"


def test_each_kind_has_its_steps() -> None:
    steps = estimated_steps(PRICES, qwen=QWEN, seedream=SEEDREAM, words="the one on the left")
    assert {kind: list(each) for kind, each in steps.items()} == {
        "face-mask": ["detect", "detect-again"],
        "face-swap": ["generate"],
        "full-face-swap": ["detect", "detect-again", "generate"],
    }
    assert steps["face-swap"]["generate"] == 51_000  # the dearest tier, and two pictures in


def test_each_face_of_several_is_a_step_of_its_own() -> None:
    steps = estimated_steps(PRICES, qwen=QWEN, seedream=SEEDREAM, words=None, cast=[0, 2])
    full = steps["full-face-swap"]
    assert list(full) == ["detect", "detect-again", "generate-0", "generate-2"]
    assert full["generate-0"] == full["generate-2"] == steps["face-swap"]["generate"]
    local = estimated_steps(PRICES, qwen=None, seedream=None, words=None, cast=[0, 2])
    assert local["full-face-swap"] == {}


def test_what_the_local_engine_does_costs_nothing() -> None:
    steps = estimated_steps(PRICES, qwen=None, seedream=SEEDREAM, words=None)
    assert steps["face-mask"] == {}
    assert estimated_steps(PRICES, qwen=QWEN, seedream=None, words=None)["face-swap"] == {}


@given(st.integers(64, 8000), st.integers(64, 8000))
def test_no_picture_has_more_tokens(width: int, height: int) -> None:
    across, down = seen_size(width, height, qwen.MIN_PIXELS, qwen.MAX_PIXELS)
    assert across * down // PATCH**2 + 2 <= PICTURE_TOKENS


def sent(question: Question, mistake: Mistake | None = None) -> int:
    """Bytes of text in the conversation: no tokenizer makes more tokens of it."""
    return len(json.dumps(question.messages({}, mistake), ensure_ascii=False).encode())


@pytest.mark.parametrize("units", Units)
def test_our_own_words_and_the_answer_fit(units: Units) -> None:
    question = Question(units, (16_000, 16_000), words="x")
    assert sent(question) < OWN_WORDS_TOKENS
    assert qwen.MAX_TOKENS == ANSWER_TOKENS


@pytest.mark.parametrize("letter", ["a", '"', "脸", "\N{GRINNING FACE}"])
def test_a_useless_answer_fits(letter: str) -> None:
    question = Question(Units.PIXELS, (16_000, 16_000), words="x")
    mistake = Mistake(letter * (QUOTED + 1), "x" * 300)
    assert sent(question, mistake) < OWN_WORDS_TOKENS + MISTAKE_TOKENS


@pytest.mark.parametrize("letter", ["a", '"', "\1", "脸", "\N{GRINNING FACE}"])
def test_the_longest_description_has_an_estimate(letter: str) -> None:
    words = letter * 4000
    request = FaceMaskRequest(image_url="asset:uploads/local/a.png", face_position_prompt=words)
    sent = json.dumps(request.face_position_prompt, ensure_ascii=False).encode()
    plain, told = (detection(PRICES, QWEN, each).micros for each in (None, words))
    assert told - plain >= PRICES.of_tokens(QWEN, inputs=len(sent), outputs=0).micros - 1


def test_a_request_without_words_is_estimated_lower() -> None:
    plain = estimated_steps(PRICES, qwen=QWEN, seedream=None, words=None)
    assert plain["face-mask"]["detect"] == detection(PRICES, QWEN, None).micros == 2_508
