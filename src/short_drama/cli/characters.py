"""`short-drama characters ...`."""

from collections.abc import Sequence
from typing import Any

import click
from rich.markup import escape
from rich.table import Table

from short_drama.cli import display, request
from short_drama.cli.connection import connected
from short_drama.cli.exits import EXIT_FAILED, EXIT_USAGE, Problem
from short_drama.cli.terminal import say
from short_drama.sdk.characters import CharacterView


def create(
    *,
    name: str,
    faces: Sequence[str],
    title: str | None,
    portraits: Sequence[str],
    as_json: bool,
    **where: Any,
) -> None:
    pictures = [request.read_image(face) for face in faces]
    given = request.read_pairs("--portrait", portraits)
    with connected(**where) as client:
        made = client.characters.create(name, pictures, title=title or "", portraits=given or None)
    _tell(made, as_json=as_json)


def ls(*, as_json: bool, **where: Any) -> None:
    with connected(**where) as client:
        found = client.characters.list()
    if as_json:
        for character in found:
            display.print_json(character)
        return
    if not found:
        say("No characters.", err=True)
        return
    table = Table(box=None, header_style="bold", pad_edge=False)
    for heading in ("name", "title", "faces", "state"):
        table.add_column(heading)
    for character in found:
        table.add_row(*map(escape, _cells(character)))
    display.console().print(table)


def show(*, name: str, as_json: bool, **where: Any) -> None:
    with connected(**where) as client:
        found = client.characters.get(name)
    display.print_json(found)
    if not as_json and found.consent_problem:
        say(found.consent_problem, err=True)


def change(
    *,
    name: str,
    faces: Sequence[str],
    title: str | None,
    portraits: Sequence[str],
    as_json: bool,
    **where: Any,
) -> None:
    wanted = [int(face) if face.isdecimal() else request.read_image(face) for face in faces]
    given = request.read_pairs("--portrait", portraits)
    with connected(**where) as client:
        changed = client.characters.change(
            name, title=title, faces=wanted or None, portraits=given or None
        )
    _tell(changed, as_json=as_json)


def consent(
    *,
    name: str,
    projects: Sequence[str],
    kinds: Sequence[str],
    since: float | None,
    as_json: bool,
    url: str | None,
    cpu_url: str | None,
    **told: Any,
) -> None:
    given = {**told, "from": since}
    body = {field: value for field, value in given.items() if value is not None}
    scope = {"projects": list(projects), "kinds": list(kinds)}
    with connected(url, cpu_url) as client:
        found = client.characters.record_consent(name, {**body, "scope": scope})
    _tell(found, as_json=as_json)


def revoke(*, name: str, as_json: bool, **where: Any) -> None:
    with connected(**where) as client:
        found = client.characters.revoke(name)
    if as_json:
        display.print_json(found)
    else:
        say(f"{name} is used no more; {_tasks(len(found.stopped))} stopped.")
        say(f"See what was made: short-drama characters tasks {name}", err=True)
        say(f"Delete it: short-drama characters purge {name}", err=True)


def tasks(*, name: str, as_json: bool, **where: Any) -> None:
    with connected(**where) as client:
        found = list(client.characters.tasks(name))
    if as_json:
        for task in found:
            display.print_json(task)
    elif found:
        display.print_table(found)
    else:
        say("No tasks.", err=True)


def purge(*, name: str, yes: bool, as_json: bool, **where: Any) -> None:
    question = f"Delete all pictures of {name}, and all that was made of them?"
    if not yes and not click.confirm(question, err=True):
        raise Problem("nothing was deleted", code=EXIT_USAGE)
    with connected(**where) as client:
        purged = client.characters.purge(name)
    if as_json:
        display.print_json(purged)
    else:
        for one in purged.deleted:
            say(f"{one['sha256']}  {one['key']}")
        say(f"{len(purged.deleted)} pictures deleted.", err=True)
    if purged.left:
        raise Problem(
            f"{_tasks(len(purged.left))} still under way, and kept",
            fix=f"Stop them: short-drama characters revoke {name}. Then purge again.",
            code=EXIT_FAILED,
        )


def rm(*, name: str, as_json: bool, **where: Any) -> None:
    with connected(**where) as client:
        client.characters.delete(name)
    if not as_json:
        say(f"{name} is deleted.")


def _tell(character: CharacterView, *, as_json: bool) -> None:
    if as_json:
        display.print_json(character)
        return
    say(f"{character.name}: {_state(character)}")
    if character.consent is None:
        say(
            f"Record who agreed: short-drama characters consent {character.name} "
            "--subject NAME --recorded-by NAME",
            err=True,
        )


def _cells(character: CharacterView) -> tuple[str, ...]:
    return character.name, character.title, str(len(character.faces)), _state(character)


def _state(character: CharacterView) -> str:
    return character.consent_problem or "may be used"


def _tasks(number: int) -> str:
    return "1 task is" if number == 1 else f"{number} tasks are"
