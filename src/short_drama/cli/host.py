"""Run components in this process: bind, serve, consume, sweep; drain when told to stop."""

import asyncio
import contextlib
import fcntl
import gc
import os
import signal
import socket
from collections.abc import (
    AsyncIterator,
    Awaitable,
    Callable,
    Coroutine,
    Iterable,
    Iterator,
    Mapping,
)
from pathlib import Path
from typing import Any

from structlog.contextvars import bound_contextvars

from short_drama.cli.first_key import make_first_key
from short_drama.cli.process_limits import keep_memory_apart, raise_descriptors
from short_drama.cli.standing import told, under_way
from short_drama.domain.errors import Unavailable
from short_drama.domain.kinds import Lane
from short_drama.private_folder import NotOurs, close_to_others
from short_drama.service_manager import ServiceManager
from short_drama.settings import Settings
from short_drama.settings.parts import PREFIX
from short_drama.web.front.gate import Gate
from short_drama.web.front.limits import Limits, places
from short_drama.web.front.server import Server
from short_drama.web.proxies import Proxies
from short_drama.wiring.components import Component
from short_drama.wiring.engines import Engines
from short_drama.wiring.stack import Stack, open_stack
from short_drama.wiring.stopping import stop_seconds


class PortTaken(Exception):
    """Somebody listens there already; the message names the component and the way out."""


async def run(
    settings: Settings,
    components: Iterable[Component],
    *,
    alone: bool,
    ready: Callable[[Mapping[Component, str]], None],
    stop: asyncio.Event,
    draining: Callable[[int], None] = lambda _: None,
    manager: ServiceManager | None = None,
    away: Callable[[Unavailable], None] = lambda _: None,
    engines: Mapping[Lane, Engines] | None = None,
) -> None:
    """Serve until `stop` is set, then drain.

    Args:
        alone: claim the data directory for this process, and take back at once what a crashed
            one held.
        ready: called with the address of every component once all of them answer.
        away: called before that when the backend does not answer yet.
        draining: called when it begins to stop, with the number of tasks in its hands.
        manager: who started this process, and is told of both as well.

    Raises PortTaken, and Unavailable when the data directory is in use or cannot be used.
    """
    keep_memory_apart()
    gate = Gate(_limits(settings, descriptors=raise_descriptors()))
    async with manager or ServiceManager(None) as told_to, told_to.watched():
        with _claimed(settings, alone=alone), bound(settings, components) as sockets:
            urls = {component: _url(listener, settings) for component, listener in sockets.items()}

            async def up() -> None:
                if (trouble := await stack.first_answer()) is not None:
                    away(trouble)
                ready(urls)
                await told_to.ready()

            async def down(tasks: int) -> None:
                draining(tasks)
                await told_to.stopping(within=stop_seconds(settings, urls))

            async with open_stack(settings, urls, engines=engines) as stack:
                await _begin(settings, stack, alone=alone)
                async with told(stack, told_to, stop):
                    await _run_stack(stack, sockets, gate, stop, up=up, down=down)


async def _begin(settings: Settings, stack: Stack, *, alone: bool) -> None:
    await make_first_key(settings, stack)
    if alone:
        await stack.backend.take_over()


async def _run_stack(
    stack: Stack,
    sockets: Mapping[Component, socket.socket],
    gate: Gate,
    stop: asyncio.Event,
    *,
    up: Callable[[], Awaitable[None]],
    down: Callable[[int], Awaitable[None]],
) -> None:
    async with _serving(stack, sockets, gate):
        aside = [asyncio.create_task(sweeper.run()) for sweeper in stack.sweepers]
        aside += [asyncio.create_task(reporter.run()) for reporter in stack.reporters]
        aside.append(asyncio.create_task(stack.watch.run()))
        consuming = [asyncio.create_task(consumer.run()) for consumer in stack.consumers]
        # What starting made lives as long as the process: no collection need look at it again.
        gc.collect()
        gc.freeze()
        try:
            await up()
            await _until(stop, consuming)
        finally:
            for consumer in stack.consumers:
                consumer.stop()
            await down(under_way(stack))
            await asyncio.gather(*consuming)
            for task in aside:
                task.cancel()
            await asyncio.gather(*aside, return_exceptions=True)


async def _until(stop: asyncio.Event, consuming: list[asyncio.Task[None]]) -> None:
    """Until told to stop, or a consumer has died of a bug: then the process must not linger."""
    stopping = asyncio.create_task(stop.wait())
    await asyncio.wait([stopping, *consuming], return_when=asyncio.FIRST_COMPLETED)
    stopping.cancel()


@contextlib.asynccontextmanager
async def _serving(
    stack: Stack, sockets: Mapping[Component, socket.socket], gate: Gate
) -> AsyncIterator[None]:
    servers = {component: Server(app, gate) for component, app in stack.apps.items()}
    serving = [
        _named(component, server.serve([sockets[component]]))
        for component, server in servers.items()
    ]
    try:
        yield
    finally:
        for server in servers.values():
            server.stop()
        await asyncio.gather(*serving, return_exceptions=True)


def _limits(settings: Settings, *, descriptors: int) -> Limits:
    """Those of the front."""
    return Limits(
        connections=places(settings.connections, descriptors=descriptors),
        connections_per_address=settings.connections_per_address,
        proxies=Proxies(settings.trusted_proxies, settings.proxy_headers),
        head_seconds=settings.head_seconds,
        body_seconds=settings.body_seconds,
        body_rate=settings.body_rate_kib * 1024,
        body_bytes=settings.bodies_mib * 2**20,
        keep_alive_seconds=settings.keep_alive_seconds,
    )


def _named(component: Component, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
    """As a task, whose lines in the log, and those of its requests, tell whose they are."""
    with bound_contextvars(component=component):
        return asyncio.create_task(work)


def _claimed(settings: Settings, *, alone: bool) -> contextlib.AbstractContextManager[None]:
    """On AWS there is no data directory, and nobody is alone."""
    if settings.backend == "aws":
        return contextlib.nullcontext()
    return claim(settings.data_dir, alone=alone)


@contextlib.contextmanager
def claim(data_dir: Path, *, alone: bool) -> Iterator[None]:
    """Hold the data directory: alone, or together with others that do not ask to be alone."""
    try:
        data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
        close_to_others(data_dir)
        lock = (data_dir / "lock").open("w")
    except NotOurs as error:
        raise Unavailable(
            f"the data directory {data_dir} would show pictures and prompts: {error.strerror}",
            fix=f"Run: chown {os.geteuid()} {data_dir}; chmod 700 {data_dir}",
        ) from None
    except OSError as error:
        raise Unavailable(
            f"the data directory {data_dir} cannot be used: {error.strerror}"
        ) from None
    with lock:
        try:
            fcntl.flock(lock, (fcntl.LOCK_EX if alone else fcntl.LOCK_SH) | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Unavailable(
                f"another short-drama uses the data directory {data_dir}",
                fix="Stop it, or give another one with --data-dir.",
            ) from None
        yield


@contextlib.contextmanager
def bound(
    settings: Settings, components: Iterable[Component]
) -> Iterator[dict[Component, socket.socket]]:
    """A listening socket for each component. Raises PortTaken."""
    with contextlib.ExitStack() as opened:
        yield {
            component: opened.enter_context(_listen(component, settings))
            for component in components
        }


def _listen(component: Component, settings: Settings) -> socket.socket:
    host, setting = settings.host, component.process.port
    port = getattr(settings, setting)
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # asyncio turns Nagle's algorithm off only on sockets that say they are TCP, and connections
    # inherit it: without this, each answer may wait 40 ms for a delayed acknowledgement.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        listener.listen(2048)
    except OSError as error:
        listener.close()
        raise PortTaken(
            f"port {port} for the {component} cannot be used ({error.strerror}). "
            f"Stop what uses it, set {PREFIX}{setting.upper()}, "
            "or let the system choose: --ports auto"
        ) from None
    return listener


def _url(listener: socket.socket, settings: Settings) -> str:
    return f"http://{settings.reached_at}:{listener.getsockname()[1]}"


def stop_on_signals() -> asyncio.Event:
    """Set by SIGINT and SIGTERM; a second one ends the process at once."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()

    def handle(number: signal.Signals) -> None:
        if stop.is_set():
            signal.signal(number, signal.SIG_DFL)
            signal.raise_signal(number)
        stop.set()

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, handle, number)
    return stop
