"""The orchestrator for GPU tasks (port 8080): camera-angle and qwen-image-edit."""

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
    """As `create_orchestrator`, for the GPU lane."""
    return create_orchestrator(Lane.GPU, desk, hosts=hosts, lock=lock, proxies=proxies)
