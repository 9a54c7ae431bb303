"""The orchestrator for CPU tasks (port 8081): face-mask, face-swap and full-face-swap."""

from collections.abc import Iterable

from fastapi import FastAPI

from short_drama.domain.kinds import Lane
from short_drama.orchestrator.desk import Desk
from short_drama.orchestrator.routes import create_orchestrator
from short_drama.web.door import Lock
from short_drama.web.proxies import Proxies


def create_app(
    desk: Desk,
    *,
    hosts: Iterable[str] = (),
    lock: Lock | None = None,
    proxies: Proxies | None = None,
) -> FastAPI:
    """As `create_orchestrator`, for the CPU lane."""
    return create_orchestrator(Lane.CPU, desk, hosts=hosts, lock=lock, proxies=proxies)
