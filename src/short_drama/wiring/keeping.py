"""What the embedded backend keeps, for commands that look past the service."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

from short_drama.backends.embedded import backup
from short_drama.backends.embedded.backup import Manifest
from short_drama.backends.embedded.disk import trouble_with
from short_drama.backends.embedded.read_only import ReadOnlyDatabase
from short_drama.backends.embedded.retention import Keeper
from short_drama.domain.errors import InvalidRequest
from short_drama.domain.stored import Stored
from short_drama.settings import Settings
from short_drama.wiring.backend import lifetimes


async def look_at_what_is_kept(settings: Settings) -> Stored:
    """Raises InvalidRequest on AWS, Unavailable."""
    async with _records(settings) as database:
        return await Keeper(database, settings.data_dir, lifetimes(settings), rest=_at_once).look()


async def back_up(settings: Settings, target: Path) -> Manifest:
    """To a new folder. Raises InvalidRequest, Unavailable."""
    async with _records(settings) as database:
        root = settings.data_dir
        try:
            return await database.read(lambda db: backup.make(db, root, target))
        except OSError as error:
            raise trouble_with("the backup cannot be written", target.parent, error)[1] from error


async def restore(settings: Settings, source: Path) -> Manifest:
    """Into the data directory, which the caller holds alone. Raises InvalidRequest, Unavailable."""
    _require_embedded(settings)
    root = settings.data_dir
    try:
        return await asyncio.to_thread(backup.restore, source, root)
    except OSError as error:
        raise trouble_with("the backup cannot be restored", root, error)[1] from error


@contextlib.asynccontextmanager
async def _records(settings: Settings) -> AsyncIterator[ReadOnlyDatabase]:
    _require_embedded(settings)
    async with ReadOnlyDatabase(settings.data_dir / "tasks.db") as database:
        yield database


def _require_embedded(settings: Settings) -> None:
    if settings.backend == "aws":
        raise InvalidRequest(
            "tasks and assets are on AWS, not in a data directory",
            field="SHORT_DRAMA_BACKEND",
            fix="DynamoDB keeps backups of its own, and S3 shows what it holds: docs/storage.md.",
        )


async def _at_once(_: float) -> None:
    """Nobody works in this process."""
