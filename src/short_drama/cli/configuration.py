"""The settings as a command reads them."""

from typing import Any

from short_drama.settings import Settings, load


def read_settings(**overrides: Any) -> Settings:
    """Raises InvalidRequest."""
    return load(overrides)
