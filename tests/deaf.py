"""An address that nobody answers at, and that nobody else can take meanwhile."""

import contextlib
import socket
from collections.abc import Iterator


@contextlib.contextmanager
def deaf_address() -> Iterator[str]:
    """Whoever connects there is refused."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{bound.getsockname()[1]}"
