"""From the file that ComfyUI saved to the one that is published: bare, scaled, judged."""

from dataclasses import dataclass

from short_drama.comfyui_api.result_size import result_size
from short_drama.domain.errors import EngineInterrupted, ImageRejected
from short_drama.domain.sizes import Size
from short_drama.images import png
from short_drama.images.resize import resized_png


@dataclass(frozen=True, slots=True, kw_only=True)
class ResultFile:
    """`data` is a PNG without metadata. `warnings` are sentences for the record."""

    data: bytes
    size: Size
    made: Size
    """In which the engine made it."""
    is_black: bool
    warnings: tuple[str, ...]


def result_file(data: bytes, *, asked: str, still: Size | None) -> ResultFile:
    """Takes a thread's time. Pixels that are wanted at the size they have are not decoded.

    Raises EngineInterrupted when the file is cut off or damaged.
    """
    try:
        made = png.size(data)
        wanted = result_size(asked, still=still, made=made)
        file = png.bare(data) if wanted.size == made else resized_png(data, wanted.size)
        return ResultFile(
            data=file,
            size=wanted.size,
            made=made,
            is_black=png.is_black(data),
            warnings=wanted.warnings,
        )
    except ImageRejected as error:
        raise EngineInterrupted(f"ComfyUI's result cannot be used: {error.detail}") from error
