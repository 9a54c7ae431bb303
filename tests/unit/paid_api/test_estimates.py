"""What a task is said to cost is never less than it does."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from short_drama.domain.kinds import FaceMaskRequest
from short_drama.paid_api.paying.estimates import (
    ANSWER_TOKENS,
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


def test_what_the_local_engine_does_costs_nothing() -> None:
    steps = estimated_steps(PRICES, qwen=None, seedream=SEEDREAM, words=None)
    assert steps["face-mask"] == {}
    assert estimated_steps(PRICES, qwen=QWEN, seedream=None, words=None)["face-swap"] == {}


@given(st.integers(11, 8000), st.integers(11, 8000))
def test_no_picture_has_more_tokens(width: int, height: int) -> None:
    seen = seen_size(width, height, qwen.MIN_PIXELS, qwen.MAX_PIXELS)
    assert seen[0] * seen[1] // PATCH**2 + 2 <= PICTURE_TOKENS


def test_our_own_words_and_the_answer_fit() -> None:
    mistake = Mistake("\N{GRINNING FACE}" * 2 * QUOTED, "脸" * 300)
    asked = Question(Units.PIXELS, (10_000, 10_000), "").messages({}, mistake)
    assert len(json.dumps(asked, ensure_ascii=False).encode()) < OWN_WORDS_TOKENS
    assert qwen.MAX_TOKENS == ANSWER_TOKENS


@given(st.text(min_size=1, max_size=50))
def test_no_description_costs_more_than_its_estimate(words: str) -> None:
    plain, told = (detection(PRICES, QWEN, each).micros for each in (None, words))
    sent = len(words)
    assert told >= plain + PRICES.of_tokens(QWEN, inputs=sent, outputs=0).micros


@pytest.mark.parametrize("letter", ["a", '"', "\1", "脸", "\N{GRINNING FACE}"])
def test_the_longest_description_has_an_estimate(letter: str) -> None:
    words = letter * 4000
    request = FaceMaskRequest(image_url="asset:uploads/local/a.png", face_position_prompt=words)
    sent = json.dumps(request.face_position_prompt, ensure_ascii=False).encode()
    plain, told = (detection(PRICES, QWEN, each).micros for each in (None, words))
    assert told - plain >= PRICES.of_tokens(QWEN, inputs=len(sent), outputs=0).micros - 1


def test_a_request_without_words_is_estimated_lower() -> None:
    plain = estimated_steps(PRICES, qwen=QWEN, seedream=None, words=None)
    assert plain["face-mask"]["detect"] == detection(PRICES, QWEN, None).micros == 3_108
