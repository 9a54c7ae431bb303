"""The backend itself, for commands that look past the service."""

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

from short_drama.cli.configuration import read_settings
from short_drama.cli.exits import EXIT_UNAVAILABLE, Problem
from short_drama.settings import Settings
from short_drama.wiring.backend import Backend, open_backend


@contextlib.asynccontextmanager
async def opened(data_dir: Path | None) -> AsyncIterator[tuple[Settings, Backend]]:
    """What the settings name, beside whoever works on it."""
    settings = read_settings(data_dir=data_dir)
    if settings.backend == "embedded" and not (settings.data_dir / "tasks.db").is_file():
        raise Problem(
            f"there are no tasks in {settings.data_dir}",
            fix="Give the data directory that `short-drama up` uses with --data-dir.",
            code=EXIT_UNAVAILABLE,
        )
    async with open_backend(settings, assets_url="") as backend:
        yield settings, backend
