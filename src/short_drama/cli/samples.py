"""`short-drama samples`."""

from pathlib import Path

from short_drama.cli import models
from short_drama.cli.configuration import read_settings
from short_drama.cli.connection import reported
from short_drama.cli.showcase import pictures
from short_drama.cli.terminal import say


def put(folder: Path) -> None:
    """The demo's two photographs; what is there already is left."""
    settings = read_settings()
    models.require(settings, samples=True)
    still = pictures.still(settings.samples_dir)
    with reported():
        folder.mkdir(parents=True, exist_ok=True)
        for name, pixels in {"still.png": still, "actor.png": pictures.actor(still)}.items():
            file = folder / name
            if file.exists():
                say(f"{file} is there already, and is left as it is")
                continue
            file.write_bytes(pictures.png(pixels))
            say(f"Wrote {file}")
    say("Eileen Collins, photographed by NASA in 1999, public domain: she swaps with herself only")
