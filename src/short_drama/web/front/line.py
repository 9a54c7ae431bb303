"""A transport whose end, and whose reading, its owner decides."""

import asyncio
from collections.abc import Callable


class Line:
    """Closing while the client still sends would reset the connection, and the client would lose
    the answer that it has not read yet: so `close` only asks `ending`, once, to bring it about.

    From `hold` to `let_go` nothing is read, whatever others ask for meanwhile.
    """

    def __init__(self, transport: asyncio.Transport, ending: Callable[[], None]) -> None:
        self._transport, self._ending, self._ended = transport, ending, False
        self._paused = self._held = False
        self.write = transport.write
        self.get_extra_info = transport.get_extra_info

    def pause_reading(self) -> None:
        self._paused = True
        self._turn()

    def resume_reading(self) -> None:
        self._paused = False
        self._turn()

    def hold(self) -> None:
        self._held = True
        self._turn()

    def let_go(self) -> None:
        self._held = False
        self._turn()

    def _turn(self) -> None:
        if self._paused or self._held:
            self._transport.pause_reading()
        else:
            self._transport.resume_reading()

    def is_closing(self) -> bool:
        return self._ended or self._transport.is_closing()

    def close(self) -> None:
        if not self.is_closing():
            self._ended = True
            self._ending()
