"""The most that a task of each kind costs, before any of it is done.

Only a call that is cut off and made again may cost more: nobody knows how much.
"""

import json
from collections.abc import Mapping, Sequence

from short_drama.paid_api.paying.prices import Cost, Prices

PICTURE_TOKENS, OWN_WORDS_TOKENS, ANSWER_TOKENS = 3_346, 1_000, 1_024
"""The most that a detection takes: of the picture, for models that see patches of 28 x 28 pixels,
of our own words, and of the answer."""
MISTAKE_TOKENS = 2_500
"""Of the useless answer that the model is shown again, and of what is said about it."""
PICTURES_IN = 2
DETECT, DETECT_AGAIN, GENERATE = "detect", "detect-again", "generate"


def generate_step(number: int) -> str:
    """Of one face of several, by its number."""
    return f"{GENERATE}-{number}"


def detection(prices: Prices, model: str, words: str | None, *, again: bool = False) -> Cost:
    """The most that one costs in which the face is described in those words; `again`: after an
    answer that was no good."""
    inputs = PICTURE_TOKENS + OWN_WORDS_TOKENS + _most_tokens(words)
    inputs += MISTAKE_TOKENS if again else 0
    return prices.of_tokens(model, inputs=inputs, outputs=ANSWER_TOKENS)


def estimated_steps(
    prices: Prices,
    *,
    qwen: str | None,
    seedream: str | None,
    words: str | None,
    cast: Sequence[int] = (),
) -> Mapping[str, Mapping[str, int]]:
    """Of each kind, what each step costs at most, in millionths of a US dollar; a step is left out
    that costs nothing.

    Args:
        qwen, seedream: the models; None where the local engine does that step.
        words: which face is meant, as the request describes it.
        cast: which faces are swapped where it is not just one, by number.
    """
    find = {} if qwen is None else _detections(prices, qwen, words)
    make = {} if seedream is None else {GENERATE: _picture(prices, seedream)}
    each = {generate_step(number): micros for number in cast for micros in make.values()}
    full = {**find, **(each if cast else make)}
    return {"face-mask": find, "face-swap": make, "full-face-swap": full}


def _detections(prices: Prices, model: str, words: str | None) -> dict[str, int]:
    return {
        step: detection(prices, model, words, again=step == DETECT_AGAIN).micros
        for step in (DETECT, DETECT_AGAIN)
    }


def _picture(prices: Prices, model: str) -> int:
    return prices.of_images(model, generated=1, inputs=PICTURES_IN).micros


def _most_tokens(words: str | None) -> int:
    """Of a tokenizer whose tokens are bytes where it knows no longer ones, as Qwen's are."""
    return 0 if words is None else len(json.dumps(words, ensure_ascii=False).encode())
