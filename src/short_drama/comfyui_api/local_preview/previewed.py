"""What a preview hands back."""

from dataclasses import dataclass

from short_drama.images.colour import Pixels


@dataclass(frozen=True, slots=True)
class Previewed:
    """`operations` were applied, in this order; `note` is for the person who looks at `image`."""

    image: Pixels
    operations: tuple[str, ...]
    note: str
