"""Random ids nobody can guess, whose randomness is asked of the system for many at once.

On a virtual machine the system may take as long for each as for hundreds together.
"""

import os
import uuid
from typing import Final

_SIZE: Final = 16
_AT_ONCE: Final = 256

_unused: list[bytes] = []
# A child must not make the ids that its parent makes.
os.register_at_fork(after_in_child=_unused.clear)


def random_uuid() -> uuid.UUID:
    """As `uuid.uuid4`; from any thread."""
    try:
        taken = _unused.pop()
    except IndexError:
        random = os.urandom(_SIZE * _AT_ONCE)
        taken, *more = (random[at : at + _SIZE] for at in range(0, len(random), _SIZE))
        _unused.extend(more)
    return uuid.UUID(bytes=taken, version=4)
