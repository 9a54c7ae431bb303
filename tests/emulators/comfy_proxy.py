"""comfy-api-proxy: Comfy API v2 in front of a ComfyUI, real or simulated."""

import contextlib
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

from tests.emulators import server


@contextlib.contextmanager
def comfy_proxy(
    folder: Path, comfyui: str, *, port: int | None = None, token: str | None = None
) -> Iterator[str]:
    """Its URL. What it knows of jobs and keys is kept in `folder`, for the next one there."""
    program = server.installed(server.ROOT / ".emulators/bin/comfy-api-proxy", by="make emulators")
    port = port or server.free_ports(1)[0]
    url = f"http://127.0.0.1:{port}"
    options = {"--comfyui": comfyui, "--port": str(port), "--state-dir": str(folder / "state")}
    if token is not None:
        options["--token"] = token
    with server.running(
        [program, "run", *(word for option in options.items() for word in option)],
        folder=folder,
        answers=lambda: _answers(f"{url}/api/v2/health"),
    ):
        yield url


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=1.0) as answer:  # noqa: S310 - our own server
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False
