"""What a 2xx of Qwen's, or of a gateway before it, is: an answer, a refusal, or neither."""

from typing import Any

import pytest

from short_drama.paid_api.providers.calls import CallRefused, CallUnanswered, Reply
from short_drama.paid_api.providers.qwen.client import QwenAnswer, read_reply

WORDS = '{"faces":[]}'
CHOICES = [{"finish_reason": "stop", "message": {"role": "assistant", "content": WORDS}}]
USAGE = {"prompt_tokens": 900, "completion_tokens": 12}


def read(**body: Any) -> QwenAnswer:
    return read_reply(Reply(body=body, request_id="r-1", seconds=1.0), "qwen3-vl-plus")


@pytest.mark.parametrize(
    "body",
    [
        {"choices": CHOICES, "usage": USAGE},
        {"choices": CHOICES, "usage": USAGE, "code": "Success", "message": "ok"},
        {"choices": CHOICES, "usage": USAGE, "error": {"code": "Warning"}},
        {
            "output": {"choices": [{"message": {"content": [{"text": WORDS}]}}]},
            "usage": {"input_tokens": 900, "output_tokens": 12},
        },
        {"choices": CHOICES, "usage": {"prompt_tokens": 900.0, "completion_tokens": 12.0}},
    ],
)
def test_an_answer_counts_whatever_is_said_beside_it(body: dict[str, Any]) -> None:
    answer = read(**body)
    assert (answer.text, answer.input_tokens, answer.output_tokens) == (WORDS, 900, 12)


@pytest.mark.parametrize("odd", [-900, True, "900", 1e300, 10**30, None, [900]])
def test_a_usage_that_cannot_be_is_none(odd: object) -> None:
    answer = read(choices=CHOICES, usage={"prompt_tokens": odd, "completion_tokens": odd})
    assert (answer.input_tokens, answer.output_tokens) == (0, 0)


ERROR = {"code": "InternalError", "message": "no luck"}


@pytest.mark.parametrize(
    "body",
    [
        {"error": ERROR},
        ERROR,
        {"error": ERROR, "choices": [], "usage": {"prompt_tokens": 0, "completion_tokens": 0}},
        {"error": ERROR, "choices": [{"message": {"content": ""}}]},
    ],
)
def test_an_error_without_words_is_a_refusal(body: dict[str, Any]) -> None:
    with pytest.raises(CallRefused, match="InternalError"):
        read(**body)


@pytest.mark.parametrize("body", [{}, {"choices": []}, {"error": ERROR, "usage": USAGE}])
def test_without_words_or_with_tokens_to_pay_for_nobody_knows(body: dict[str, Any]) -> None:
    with pytest.raises(CallUnanswered):
        read(**body)
