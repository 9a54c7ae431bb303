"""Who is told that a key is refused is told which setting holds it, once."""

from collections.abc import Callable

import pytest

from short_drama.doctor.providers import meaning
from short_drama.domain.errors import ShortDramaError
from short_drama.paid_api.providers.calls import CallRefused
from short_drama.paid_api.providers.qwen import refusals as qwen
from short_drama.paid_api.providers.refusals import FailedCall
from short_drama.paid_api.providers.seedream import refusals as seedream


@pytest.mark.parametrize(
    ("classify", "setting"),
    [
        (qwen.classify, "SHORT_DRAMA_DASHSCOPE_API_KEY"),
        (seedream.classify, "SHORT_DRAMA_ARK_API_KEY"),
    ],
)
def test_its_setting_is_named(
    classify: Callable[[FailedCall], ShortDramaError], setting: str
) -> None:
    error = classify(CallRefused(401, code="", message=""))
    assert "the API key is refused" in error.detail
    assert setting in (error.fix or "")
    assert (meaning(error, "", setting=setting).do or "").count(setting) == 1
