"""Who may wait for news."""

import contextlib

import pytest

from short_drama.domain.errors import Unavailable
from short_drama.web.listeners import Listeners


def test_who_asks_alone_gets_half_and_the_next_one_still_some() -> None:
    listeners = Listeners(8)
    with contextlib.ExitStack() as waiting:
        for client, most in (("one", 4), ("two", 2)):
            for _ in range(most):
                waiting.enter_context(listeners.place(client))
            with pytest.raises(Unavailable) as caught, listeners.place(client):
                pass
            assert caught.value.after
    for _ in range(9):
        with listeners.place("one"), listeners.place("one"):
            pass
