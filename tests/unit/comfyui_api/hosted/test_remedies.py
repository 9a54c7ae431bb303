"""Whose fault it is, where nothing of the machine is known."""

import pytest

from short_drama.comfyui_api.hosted.remedies import HostedRemedies
from short_drama.comfyui_api.mishaps import Mishap
from short_drama.domain.errors import (
    BlackPicture,
    EngineBroken,
    EngineFailed,
    EngineInterrupted,
    EngineOutOfMemory,
    ShortDramaError,
)


@pytest.mark.parametrize(
    ("error", "judged"),
    [
        (BlackPicture, [EngineInterrupted, BlackPicture]),
        (EngineOutOfMemory, [EngineOutOfMemory, EngineFailed]),
        (EngineFailed, [EngineFailed, EngineFailed]),
        (EngineBroken, [EngineBroken] * 3),
    ],
)
async def test_what_happens_again_is_the_tasks_own_but_a_broken_device(
    error: type[ShortDramaError], judged: list[type[ShortDramaError]]
) -> None:
    remedies, told = HostedRemedies(), error("it went wrong")
    for number, expected in enumerate(judged):
        one = Mishap(kind="camera-angle", task="t", prompt_id=f"p{number}", error=told)
        assert type(await remedies.judge(one)) is expected
