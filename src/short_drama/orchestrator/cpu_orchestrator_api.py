"""The orchestrator for CPU tasks (port 8081): face-mask, face-swap and full-face-swap."""

from fastapi import FastAPI

from short_drama.domain.kinds import Lane
from short_drama.orchestrator.desk import Desk
from short_drama.orchestrator.routes import create_orchestrator


def create_app(desk: Desk) -> FastAPI:
    return create_orchestrator(Lane.CPU, desk)
