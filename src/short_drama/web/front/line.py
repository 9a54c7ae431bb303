"""A transport whose end its owner decides."""

import asyncio
from collections.abc import Callable


class Line:
    """Closing while the client still sends would reset the connection, and the client would lose
    the answer that it has not read yet: so `close` only asks `ending`, once, to bring it about."""

    def __init__(self, transport: asyncio.Transport, ending: Callable[[], None]) -> None:
        self._transport, self._ending, self._ended = transport, ending, False
        self.write = transport.write
        self.pause_reading = transport.pause_reading
        self.resume_reading = transport.resume_reading
        self.get_extra_info = transport.get_extra_info

    def is_closing(self) -> bool:
        return self._ended or self._transport.is_closing()

    def close(self) -> None:
        if not self.is_closing():
            self._ended = True
            self._ending()
