"""What is installed: the base is the client; what serves comes with extras.

Only what is quick to import is imported here.
"""

import os
import shlex
import sys
from importlib.util import find_spec
from typing import Final

from short_drama.cli.exits import EXIT_UNAVAILABLE, Problem

SERVER: Final = frozenset(
    {
        "PIL", "blake3", "fastapi", "fastapi_offline", "httptools", "numpy",
        "limits", "prometheus_client", "python_multipart", "starlette", "structlog", "tzdata",
        "uvicorn",
    }
)  # fmt: skip
LOCAL: Final = SERVER | {"cv2"}
_OTHERS: Final = {"aiobotocore": "aws", "botocore": "aws", "opentelemetry": "otel", "c2pa": "c2pa"}


def lacking(module: str | None) -> Problem | None:
    """How a command ends that could not import this module; None where none of our extras has it.

    The cure names every extra that is missing by the settings, so that there is no second time.
    """
    name = (module or "").partition(".")[0]
    extra = "local" if name in LOCAL else _OTHERS.get(name)
    if extra is None:
        return None
    wanted = ",".join(sorted({extra} | _also_missing(), key=lambda each: (each != "local", each)))
    return Problem(
        f"this needs what the extra {extra!r} of short-drama brings ({name} is not installed)",
        fix=f"Install it: {_installer()} {shlex.quote(f'short-drama[{wanted}]')}",
        code=EXIT_UNAVAILABLE,
    )


def _also_missing() -> set[str]:
    """What else this machine's settings would ask for next; whatever it is, it serves."""
    asked = {"fastapi": "local"}
    if os.environ.get("SHORT_DRAMA_BACKEND") == "aws":
        asked["aiobotocore"] = "aws"
    if os.environ.get("SHORT_DRAMA_OTLP_ENDPOINT"):
        asked["opentelemetry"] = "otel"
    return {extra for module, extra in asked.items() if find_spec(module) is None}


def need_engines() -> None:
    """Raises Problem where what the engines are made of is missing."""
    if find_spec("cv2") is None and (problem := lacking("cv2")):
        raise problem


def _installer() -> str:
    """For this very environment; those that uv makes have no pip."""
    python = shlex.quote(sys.executable)
    return f"{python} -m pip install" if find_spec("pip") else f"uv pip install --python {python}"
