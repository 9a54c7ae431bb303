"""`short-drama shots`, `pick` and `unpick`."""

from collections.abc import Iterable, Sequence
from typing import Any

from rich.markup import escape
from rich.table import Table

from short_drama.cli import display, request
from short_drama.cli.connection import connected
from short_drama.cli.exits import EXIT_USAGE, Problem
from short_drama.cli.terminal import say
from short_drama.domain.shots import NAMES, Shot
from short_drama.sdk.shot_models import PickedView, ShotView


def ls(*, project: str, episode: str | None, as_json: bool, **where: Any) -> None:
    with connected(**where) as client:
        found = [*client.shots.iterate(project, episode)]
    if as_json:
        for shot in found:
            display.print_json(shot)
    elif found:
        _print_table(found)
    else:
        say("No shots. Submit with --label project=..., episode=..., shot=...", err=True)


def pick(
    task_id: str | None,
    *,
    image: str | None,
    labels: Sequence[str],
    note: str | None,
    as_json: bool,
    **where: Any,
) -> None:
    if (task_id is None) == (image is None):
        raise Problem("pick either a TASK or an --image", fix="See --help.", code=EXIT_USAGE)
    shot = request.read_pairs("--label", labels)
    if image is not None and (Shot.of(shot) is None or not set(shot) <= set(NAMES)):
        raise Problem(
            "--image needs the shot that it is for, and nothing else",
            fix=f"Add --label shot=12, and what there is of {', '.join(NAMES[:-1])}.",
            code=EXIT_USAGE,
        )
    with connected(**where) as client:
        if task_id is not None:
            picked = client.shots.pick(task_id, note=note)
        else:
            picked = client.shots.pick_picture(shot, request.read_image(image or ""), note=note)
    _say_picked(picked, as_json=as_json)


def unpick(task_id: str, *, note: str | None, as_json: bool, **where: Any) -> None:
    with connected(**where) as client:
        shot = Shot.of(client.get(task_id).labels)
        if shot is None:
            raise Problem(f"task {task_id} is for no shot", fix="", code=EXIT_USAGE)
        picked = client.shots.unpick(shot.labels, note=note)
    _say_picked(picked, as_json=as_json)


def _say_picked(picked: PickedView, *, as_json: bool) -> None:
    if as_json:
        display.print_json(picked)
        return
    say(f"{picked.shot.name}: {_pick(picked.shot) or 'nothing picked'}")
    for task_id in picked.cancelled:
        say(f"Cancelled {task_id}, which waited.", err=True)


def _print_table(found: Iterable[ShotView]) -> None:
    table = Table(box=None, header_style="bold", pad_edge=False)
    for heading in ("shot", "takes", "open", "failed", "pick", "note"):
        table.add_column(heading, no_wrap=heading != "note")
    for shot in found:
        waiting = shot.counts.get("pending", 0) + shot.counts.get("processing", 0)
        table.add_row(
            escape(shot.name),
            f"{len(shot.takes)}{'+' if shot.has_more_takes else ''}",
            str(waiting or ""),
            str(shot.counts.get("failed") or ""),
            escape(_pick(shot)),
            escape(shot.pick.note or "" if shot.pick else ""),
        )
    display.console().print(table)


def _pick(shot: ShotView) -> str:
    return "" if shot.pick is None else shot.pick.task_id or shot.pick.asset_key or ""
