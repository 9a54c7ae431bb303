"""The settings as a command reads them."""

from typing import Any

from short_drama.cli.exits import EXIT_USAGE, Problem
from short_drama.domain.errors import InvalidRequest
from short_drama.settings import Settings, load

FREE_PORTS = dict.fromkeys(
    ("orchestrator_port", "cpu_orchestrator_port", "comfyui_api_port", "paid_api_port"), 0
)
"""Settings that let the system choose."""


def read_settings(**overrides: Any) -> Settings:
    """The settings, or the command's end with a clear message."""
    try:
        return load(overrides)
    except InvalidRequest as error:
        raise Problem(error.detail, fix=error.fix, code=EXIT_USAGE) from None
