"""What size a result has: the still's own unless the request says otherwise, and never out of
shape."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from short_drama.domain.sizes import AS_INPUT, MODEL, Size, Still, sides

_SAME_SHAPE = 0.05
"""As `Size.stretch` tells it. A model's own size is up to 3 per cent off the still's shape, and so
is what a VAE leaves of sides that are no multiples of 8; whoever turns, crops or extends a picture
is off by more."""
_STILL_ENLARGED = 1.1
_RESULT_ENLARGED = 1.5
"""From which factor a side is told to be enlarged. 720 lines are 1.07 of a megapixel, and a result
of 1080 lines is 1.41 of one: that is the everyday."""
_TELLING = 256
"""A side of a picture beside the still; one with less is a detail at best, which may be meant."""
_LARGEST = 100_000_000
"""Pixels that are decoded only to be scaled; 0.4 GB."""


@dataclass(frozen=True, slots=True)
class ResultSize:
    """`warnings` are sentences for the record."""

    size: Size
    warnings: tuple[str, ...] = ()


def result_size(asked: str, *, still: Size | None, made: Size) -> ResultSize:
    """The size to publish.

    Args:
        asked: the request's `size`.
        still: what the result is made of; None where it is made of nothing.
        made: what the engine made.
    """
    wanted = _wanted(asked, still) or made
    if wanted == made:
        return ResultSize(made)
    if made.stretch(wanted) > _SAME_SHAPE:
        why = f"which is another shape than {wanted}: it was left as it is"
    elif made.pixels > _LARGEST:
        why = f"which is too large to be scaled to {wanted}: it was left as it is"
    elif (factor := wanted.width / made.width) >= _RESULT_ENLARGED:
        why = f"and its result was enlarged {factor:.1f}-fold to {wanted}"
        return ResultSize(wanted, (f"The engine works at {made}, {why}.",))
    else:
        return ResultSize(wanted)
    return ResultSize(made, (f"The engine made {made}, {why}.",))


def said_of_images(
    sizes: Mapping[str, Size], *, still: Still | None, worked: Size | None
) -> Iterator[str]:
    """Of those in which the model finds little to go by.

    Args:
        sizes: by field.
        worked: at which the model worked on the still; None where the graph itself decides.
    """
    if worked is None:
        return
    for field, size in sizes.items():
        factor = (worked.pixels / size.pixels) ** 0.5
        if still is not None and field == still.field and factor >= _STILL_ENLARGED:
            yield f"The still is {size}, enlarged {factor:.1f}-fold to {worked} for the model."
        elif min(size) < _TELLING:
            yield f"{field} is only {size}: the model finds little in it to draw from."


def _wanted(asked: str, still: Size | None) -> Size | None:
    """None for whatever the engine makes."""
    if asked == MODEL:
        return None
    return still if asked == AS_INPUT else sides(asked)
