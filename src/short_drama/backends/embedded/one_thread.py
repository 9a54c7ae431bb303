"""A thread that works for the event loop, one piece of work after the other.

What an executor does beside that, with locks, a second future and callbacks for each piece, takes
as long as the statements of a small transaction.
"""

import asyncio
import threading
from collections.abc import Callable
from queue import SimpleQueue
from typing import Any, TypeVar

T = TypeVar("T")

_Asked = tuple[Callable[[], Any], "asyncio.Future[Any]"]


class OneThread:
    """To be closed once nobody asks anything any more."""

    def __init__(self, name: str) -> None:
        self._asked: SimpleQueue[_Asked | None] = SimpleQueue()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    async def run(self, work: Callable[[], T]) -> T:
        """What `work` returns or raises. It is done even if the caller waits no more."""
        answer: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._asked.put((work, answer))
        return await answer

    def close(self) -> None:
        """Waits for what is being done."""
        self._asked.put(None)
        self._thread.join()

    def _run(self) -> None:
        while (asked := self._asked.get()) is not None:
            work, answer = asked
            try:
                told, result = answer.set_result, work()
            except BaseException as error:  # whoever asked must hear of it
                told, result = answer.set_exception, error
            answer.get_loop().call_soon_threadsafe(_tell, answer, told, result)


def _tell(answer: "asyncio.Future[Any]", told: Callable[[Any], None], result: object) -> None:
    if not answer.done():  # else the caller has stopped waiting
        told(result)
