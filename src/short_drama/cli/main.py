"""The command's entry: what there is, and how errors end it.

Exit codes: 0 done; 1 a task failed or was cancelled, the demo found a fault, dead letters were
left, or accounts differ; 2 the command line or a request was wrong; 3 the service could not be
reached or could not start; 4 doctor found something wrong; 130 interrupted.
Only what is quick to import is imported here: `--help` and completion must be quick.
"""

import sys
from typing import Any

import click

from short_drama.cli import extras
from short_drama.cli.audit_group import audit
from short_drama.cli.catalogues import COMPONENTS, Kind
from short_drama.cli.characters_group import characters
from short_drama.cli.dead_letters_group import dlq
from short_drama.cli.doctor import doctor
from short_drama.cli.engines_group import demo, models, samples, workflows
from short_drama.cli.exits import EXIT_INTERRUPTED, Problem
from short_drama.cli.first_page import START, FirstPage
from short_drama.cli.keys_group import keys
from short_drama.cli.kinds import kinds
from short_drama.cli.logs_command import logs
from short_drama.cli.options import (
    as_json,
    data_dir,
    idempotency_key,
    output,
    place,
    service,
    wait_flag,
)
from short_drama.cli.shots_group import pick, shots, unpick
from short_drama.cli.spend_group import costs, spend
from short_drama.cli.storage_group import backup, restore, storage
from short_drama.cli.tasks_group import tasks
from short_drama.cli.terminal import say
from short_drama.cli.verify import verify
from short_drama.cli.webhooks_group import webhooks
from short_drama.domain.errors import ShortDramaError

host = click.option("--host", help="Beyond loopback keys are needed.  [default: 127.0.0.1]")


@click.group(
    cls=FirstPage,
    context_settings={"help_option_names": ["-h", "--help"]},
    invoke_without_command=True,
)
@click.version_option(package_name="short-drama")
@click.pass_context
def cli(context: click.Context) -> None:
    """Film stills in, new film stills out: camera angles, edits, face masks and swaps."""
    if context.invoked_subcommand is None:
        say(START)


# --- The service --------------------------------------------------------------------------


@cli.command()
@data_dir
@host
@click.option("--ports", type=click.Choice(["auto"]), help="Let the system choose free ports.")
def up(**options: Any) -> None:
    """Run everything in this process.

    Both lanes; no account, no key, no GPU. The first start brings the engines' model files. Ctrl-C
    finishes what is under way, and stops; a second one stops at once.

    \b
    short-drama up
    short-drama up --ports auto --data-dir ./studio
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
    """Run one component, or several, in this process.

    COMPONENT is orchestrator, cpu-orchestrator, comfyui-api, paid-api, gpu-adapter or cpu-adapter.
    Several processes may share a data directory.

    \b
    short-drama serve orchestrator cpu-orchestrator
    short-drama serve comfyui-api gpu-adapter
    """
    from short_drama.cli import up as command

    command.serve(components, **options)


# --- Its clients --------------------------------------------------------------------------

cli.add_command(kinds)
cli.add_command(characters)


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
    metavar="PATH|URL|character:NAME",
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
    SHORT_DRAMA_WORKFLOWS_DIR. Ctrl-C while it waits leaves the task as it is.

    \b
    short-drama submit camera-angle --image still.jpg --set horizontal=-1 --output moved.png
    short-drama submit qwen-image-edit --image still.jpg --set prompt="black and white" --wait
    short-drama submit full-face-swap --image still.jpg --face actor.jpg --label episode=3
    """
    from short_drama.cli import submit as command

    command.submit(kind, **options)


cli.add_command(tasks)
cli.add_command(shots)
cli.add_command(pick)
cli.add_command(unpick)


# --- The operator's -----------------------------------------------------------------------

for command in (
    dlq, doctor, keys, audit, webhooks, spend, costs, logs, storage, backup, restore, verify,
    workflows, models, samples, demo,
):  # fmt: skip
    cli.add_command(command)


@cli.command()
@place
@as_json
def queues(**options: Any) -> None:
    """How much waits in each lane, how long, and what died.

    Reads the data directory, or the AWS account, that the settings name; needs no running service.
    "oldest" is the age of the oldest pending task. SQS counts messages approximately.

    \b
    short-drama queues
    """
    from short_drama.cli import queues as command

    command.queues(**options)


@cli.command()
def provision() -> None:
    """Create the AWS backend's queues, table and bucket.

    Only what is missing is created; what exists is left as it is. Needs SHORT_DRAMA_BACKEND=aws.

    \b
    short-drama provision
    """
    from short_drama.cli import provision as command

    command.provision()


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
        say("Interrupted.", err=True)
        code = EXIT_INTERRUPTED
    except ModuleNotFoundError as error:
        if (lacking := extras.lacking(error.name)) is None:
            raise
        lacking.show()
        code = lacking.exit_code
    sys.exit(code)
