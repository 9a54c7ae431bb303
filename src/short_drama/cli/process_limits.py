"""What a process that serves asks of the system, once, before it begins."""

import contextlib
import ctypes
import resource

from short_drama.web.front.limits import descriptors

_MMAP_THRESHOLD = -3
"""M_MMAP_THRESHOLD, see mallopt(3)."""
_LARGE = 2**20


def raise_descriptors() -> int:
    """Let the process have as many as it may; the soft limit is often 1,024. Returns the number."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(ValueError, OSError):  # a hard limit above the system's own
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return descriptors()


def keep_memory_apart() -> None:
    """Give every large buffer pages of its own, which go back to the system when it is freed.

    glibc begins so and then, once one of up to 32 MiB was freed, puts what is no larger between
    small ones that stay. Other C libraries have no mallopt, or leave this to themselves.
    """
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).mallopt(_MMAP_THRESHOLD, _LARGE)
