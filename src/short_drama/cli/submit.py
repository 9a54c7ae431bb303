"""`short-drama submit`."""

import difflib
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from short_drama.cli import consent, display, request
from short_drama.cli.configuration import read_settings
from short_drama.cli.connection import connected
from short_drama.cli.exits import EXIT_FAILED, EXIT_USAGE, Problem
from short_drama.cli.terminal import say
from short_drama.domain.casting import plays_characters_alone
from short_drama.domain.kinds import KINDS, Catalogue, Lane, TaskKind
from short_drama.sdk.models import Accepted, TaskView
from short_drama.sdk.sync import Client


def submit(
    kind: str,
    *,
    images: Sequence[str],
    face: str | None,
    fields: Sequence[str],
    labels: Sequence[str],
    idempotency_key: str | None,
    wait: bool,
    output: Path | None,
    as_json: bool,
    url: str | None,
    cpu_url: str | None,
) -> None:
    task_kind = find_kind(kind)
    params = request.read_images(task_kind, images, face) | request.read_fields(task_kind, fields)
    given = request.read_pairs("--label", labels)
    _check(task_kind, url, cpu_url, output)
    said = "consent" in params or plays_characters_alone(params)
    if task_kind.is_face_swap and not said:
        consent.ask_once(read_settings().data_dir / "consent-asked")
    with connected(url, cpu_url) as client:
        accepted = _hand_in(client, kind, params, given, idempotency_key)
        if wait or output:
            finish(client, accepted.task_id, output=output, as_json=as_json)
        elif as_json:
            display.print_json(accepted)
        else:
            say(accepted.task_id)
            if accepted.lane is not None:
                say(f"It waits: {display.lane_in_words(accepted.lane)}.", err=True)
            if sys.stdout.isatty():
                say(f"Follow it with: short-drama tasks wait {accepted.task_id}", err=True)


def _hand_in(
    client: Client,
    kind: str,
    params: Mapping[str, Any],
    labels: Mapping[str, str],
    key: str | None,
) -> Accepted:
    try:
        return client.submit(kind, params, labels=labels or None, idempotency_key=key)
    except KeyboardInterrupt:
        say(
            "The service has not answered yet, and may have the task. See: short-drama tasks ls",
            err=True,
        )
        raise


def find_kind(name: str) -> TaskKind:
    """One of the catalogue, or a workflow's. Raises Problem."""
    if name in KINDS:
        return KINDS[name]
    catalogue = _with_workflows()
    if name not in catalogue:
        nearest = difflib.get_close_matches(name, catalogue, n=1)
        meant = f": did you mean {nearest[0]}?" if nearest else ""
        raise Problem(
            f"there is no kind {name}{meant}",
            fix=f"The kinds are: {', '.join(catalogue)}. More come from workflows in "
            "SHORT_DRAMA_WORKFLOWS_DIR.",
            code=EXIT_USAGE,
        )
    return catalogue[name]


def _with_workflows() -> Catalogue:
    """The kinds of this machine; only the usual ones where nothing but the client is installed."""
    try:
        from short_drama.wiring.engines import open_catalogue  # takes a while
    except ModuleNotFoundError:
        return KINDS
    return open_catalogue(read_settings())


def finish(client: Client, task_id: str, *, output: Path | None, as_json: bool) -> None:
    """Follow a task to its end, and end the command as the task ended."""
    task = display.watch(client, task_id)
    if output is not None and task.result_url:
        client.download(task, output)
    if as_json:
        display.print_json(task)
    else:
        display.print_end(task)
        if output is not None and task.result_url:
            say(f"Saved {output}")
    if task.status != "completed":
        raise _failure(task)


def _failure(task: TaskView) -> Problem:
    message = task.error.message if task.error else f"the task was {task.status}"
    return Problem(message, fix=task.error.fix if task.error else None, code=EXIT_FAILED)


def _check(kind: TaskKind, url: str | None, cpu_url: str | None, output: Path | None) -> None:
    """What can be known to go wrong before anything is sent."""
    needed, other = ("--url", cpu_url) if kind.lane is Lane.GPU else ("--cpu-url", url)
    own = url if kind.lane is Lane.GPU else cpu_url
    if other and not own:
        raise Problem(
            f"{kind.name} is done on the {kind.lane.upper()} lane, whose address was not given",
            fix=f"Add {needed}.",
            code=EXIT_USAGE,
        )
    if output is not None and not output.parent.is_dir():
        raise Problem(f"there is no folder {output.parent}", fix="Make it first.", code=EXIT_USAGE)
