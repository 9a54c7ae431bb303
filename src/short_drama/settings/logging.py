"""What is told of what goes on, and where."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import BeforeValidator

from short_drama.settings.parts import Group


def _lower(value: object) -> object:
    return value.lower() if isinstance(value, str) else value


class LogSettings(Group):
    """Lines go to stderr, and to files where nothing else keeps them."""

    log_level: Annotated[Literal["debug", "info", "warning", "error"], BeforeValidator(_lower)] = (
        "info"
    )
    """Of our own lines; those of libraries are told from warning on."""
    log_format: Literal["auto", "json", "text"] = "auto"
    """On stderr; auto: for people on a terminal, else one JSON object a line."""
    log_folder: Path | Literal["auto", "none"] = "auto"
    """For files of JSON lines, which `short-drama logs` reads; auto: `logs` in the data directory
    of the embedded backend, none on AWS, whose instances have a journal."""
