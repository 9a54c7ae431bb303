"""What the caretaker does for a server that is not to be trusted."""

from short_drama.comfyui_api.engine.caretaker import Caretaker
from short_drama.comfyui_api.engine.engine import Engine, EngineTimes
from short_drama.comfyui_api.engine.health import State
from short_drama.comfyui_api.server.comfyui import ComfyUI, Queue
from short_drama.domain.errors import Unavailable

SUCCEEDS = ("true",)
"""A command."""


class Away(ComfyUI):
    async def queue(self) -> Queue:
        raise Unavailable("it is being restarted")


async def prepare() -> None:
    """Nothing is missing."""


async def test_silence_before_a_restart_is_not_held_against_the_new_process() -> None:
    """Else the second of two prompts that were stuck would find it stuck as well."""
    now = 100.0
    engine = Engine(Away("http://gpu", client_id="t"), EngineTimes(stuck=5.0), clock=lambda: now)
    caretaker = Caretaker(engine, prepare, lambda: False, restart=SUCCEEDS)
    now += 60
    engine.health.unhealthy(Unavailable("it makes no progress"))
    await caretaker._recover()
    assert engine.health.state is State.STARTING
    assert engine.last_sign == now
