"""The orchestrator for GPU tasks (port 8080): camera-angle and qwen-image-edit."""

from fastapi import FastAPI

from short_drama.domain.kinds import Lane
from short_drama.orchestrator.desk import Desk
from short_drama.orchestrator.routes import create_orchestrator


def create_app(desk: Desk) -> FastAPI:
    return create_orchestrator(Lane.GPU, desk)
