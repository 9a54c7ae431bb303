"""What a task of each kind will cost, before anything is known of it but its kind."""

from collections.abc import Mapping

from short_drama.paid_api.paying.prices import Prices

PROMPT_TOKENS, ANSWER_TOKENS = 2_900, 1_024
"""The most that a detection takes: 2,560 of the picture and the words; the answer's limit."""
PICTURES_IN = 2


def estimated_micros(
    prices: Prices, *, qwen: str | None, seedream: str | None
) -> Mapping[str, int]:
    """In millionths of a US dollar, by kind; `qwen` and `seedream` are the models, None where the
    local engine does that step."""
    detection = (
        0
        if qwen is None
        else prices.of_tokens(qwen, inputs=PROMPT_TOKENS, outputs=ANSWER_TOKENS).micros
    )
    picture = (
        0
        if seedream is None
        else prices.of_images(seedream, generated=1, inputs=PICTURES_IN).micros
    )
    return {
        "face-mask": detection,
        "face-swap": picture,
        "full-face-swap": detection + picture,
    }
