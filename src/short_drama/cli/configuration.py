"""The settings as a command reads them."""

from typing import Any

from short_drama.settings import Settings, load

FREE_PORTS = dict.fromkeys(
    ("orchestrator_port", "cpu_orchestrator_port", "comfyui_api_port", "paid_api_port"), 0
)
"""Settings that let the system choose."""


def read_settings(**overrides: Any) -> Settings:
    """Raises InvalidRequest."""
    return load(overrides)
