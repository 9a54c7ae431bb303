"""`short-drama storage`, `backup` and `restore`."""

import asyncio
from datetime import UTC, datetime
from pathlib import Path

from rich.table import Table

from short_drama.backends.embedded.backup import Manifest
from short_drama.cli import display
from short_drama.cli.audited import line_here
from short_drama.cli.backend import opened
from short_drama.cli.configuration import read_settings
from short_drama.cli.host import claim
from short_drama.cli.terminal import say
from short_drama.domain.stored import AGES, Stored
from short_drama.wiring import keeping


def storage(*, data_dir: Path | None, as_json: bool) -> None:
    stored = asyncio.run(keeping.look_at_what_is_kept(read_settings(data_dir=data_dir)))
    if as_json:
        for line in stored.to_json():
            display.print_json(line)
    else:
        print_table(stored)


def backup(target: Path, *, data_dir: Path | None, as_json: bool) -> None:
    made = asyncio.run(keeping.back_up(read_settings(data_dir=data_dir), target))
    _tell(made, target, as_json=as_json)


def restore(source: Path, *, data_dir: Path | None, as_json: bool) -> None:
    settings = read_settings(data_dir=data_dir)
    with claim(settings.data_dir, alone=True):
        restored = asyncio.run(keeping.restore(settings, source))
        asyncio.run(_tell_the_audit(data_dir, restored))
    _tell(restored, settings.data_dir, as_json=as_json)


async def _tell_the_audit(data_dir: Path | None, restored: Manifest) -> None:
    """There is none before: the backup brings its own, which goes on with this."""
    made_at = datetime.fromtimestamp(restored.made_at, UTC)
    async with opened(data_dir) as (_, backend):
        line = line_here("data.restore", about=f"the backup of {made_at:%Y-%m-%dT%H:%M:%SZ}")
        await backend.audit.append(line)


def print_table(stored: Stored) -> None:
    table = Table(box=None, header_style="bold", pad_edge=False)
    ages = (*AGES, "older")
    for heading in ("part", "number", "MiB", *(f"{age} old" for age in AGES), "older", "goes now"):
        table.add_column(heading, justify="left" if heading == "part" else "right", no_wrap=True)
    table.add_column("goes within", no_wrap=True)
    for name, part in stored.parts.items():
        sizes = [_mib(part.ages[age]) for age in ages]
        soon = ", ".join(f"a {age}: {part.soon[age]}" for age in AGES if part.soon[age])
        figures = (str(part.number), _mib(part.size), *sizes, str(part.goes))
        table.add_row(name, *figures, soon or "-")
    display.console().print(table)


def _mib(size: int) -> str:
    return f"{size / 2**20:.1f}" if size else "-"


def _tell(manifest: Manifest, folder: Path, *, as_json: bool) -> None:
    files, size = len(manifest.files), manifest.size
    if as_json:
        display.print_json({"folder": str(folder), "files": files, "bytes": size})
    else:
        say(f"{folder}: {files} files, {size / 2**20:.1f} MiB, each checked.")
