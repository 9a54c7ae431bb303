"""The embedded backend's file: is it whole?"""

from pathlib import Path

from short_drama.doctor.finding import Finding, not_applicable, ok, wrong
from short_drama.doctor.site import Site


async def database(site: Site) -> Finding:
    if site.on_aws:
        return not_applicable("on AWS there is no database file")
    path = site.settings.data_dir / "tasks.db"
    if not _is_there(path):
        return not_applicable(f"there is none in {path.parent} yet")
    from short_drama.backends.embedded.read_only import ReadOnlyDatabase

    async with ReadOnlyDatabase(path) as opened:
        faults = await opened.faults()
    if faults:
        return wrong(
            f"{path} is damaged: {'; '.join(faults)}",
            "Stop the service, keep a copy of the file, and go back to a backup; or try "
            f"`sqlite3 {path} .recover`.",
        )
    return ok(f"{path} is whole")


def _is_there(path: Path) -> bool:
    return path.is_file()
