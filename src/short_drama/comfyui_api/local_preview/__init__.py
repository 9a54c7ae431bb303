"""The GPU lane's local engine, for when there is no ComfyUI: honest previews, no new pixels.

Synchronous and pure apart from loading one small network; meant for worker threads.
"""

from collections.abc import Sequence
from pathlib import Path

from short_drama.comfyui_api.local_preview.camera import move_camera
from short_drama.comfyui_api.local_preview.edit import edit
from short_drama.comfyui_api.local_preview.previewed import Previewed
from short_drama.comfyui_api.prompts.camera import CameraMove
from short_drama.images.colour import Pixels
from short_drama.images.subject import SubjectFinder

__all__ = ["Preview", "Previewed"]


class Preview:
    """Images are RGB, height x width x 3, uint8, and are not written to.

    `models` is the folder of installed model files; without them both calls raise EngineNotReady
    as soon as they need to know where the people are.
    """

    def __init__(self, models: Path) -> None:
        self._subjects = SubjectFinder(models)

    def check(self) -> None:
        """Raises EngineNotReady when the network's file is not installed."""
        self._subjects.check()

    def camera(self, image: Pixels, move: CameraMove) -> Previewed:
        """The still, re-framed as the moved camera would see it; the same size.

        Raises InvalidRequest for a move that moves nothing.
        """
        return move_camera(image, move, self._subjects.find)

    def edit(self, image: Pixels, prompt: str, extra_images: Sequence[Pixels] = ()) -> Previewed:
        """The still with the prompt's keyword operations applied.

        Raises PromptUnsupported if they are not all the prompt asks for, or change nothing;
        RequestUnsupported for extra images, and for a background blur where nobody is found.
        """
        return edit(image, prompt, self._subjects.find, extra_images)
