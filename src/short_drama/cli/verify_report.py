"""`short-drama verify`."""

from pathlib import Path

import click

from short_drama.cli.configuration import read_settings
from short_drama.cli.connection import connected
from short_drama.cli.display import print_json
from short_drama.cli.exits import EXIT_FAILED, EXIT_USAGE, Problem
from short_drama.cli.terminal import say
from short_drama.domain.errors import ShortDramaError
from short_drama.sdk.errors import ServiceUnreachable
from short_drama.sdk.models import Verification

_STATES = {
    "valid": "as it was signed, by this installation",
    "untrusted": "as it was signed, by somebody whom this installation does not know",
    "changed": "CHANGED since it was signed",
    "invalid": "there is one, and it is not valid",
    "none": "none",
    "unreadable": "there is one, and it cannot be read",
    "unknown": "there may be one; nothing here can read it",
}


def verify(
    image: Path, *, offline: bool, as_json: bool, url: str | None, cpu_url: str | None
) -> None:
    data = image.read_bytes()
    found = _here(data) if offline else _asked(data, url, cpu_url)
    if as_json:
        print_json(found)
    else:
        _show(found)
    if found.manifest.state not in ("valid", "untrusted"):
        raise click.exceptions.Exit(EXIT_FAILED)


def _asked(data: bytes, url: str | None, cpu_url: str | None) -> Verification:
    """Of the service; where none runs, and none was named, of this process."""
    with connected(url, cpu_url) as client:
        try:
            return client.verify(data)
        except ServiceUnreachable:
            if url or cpu_url:
                raise
    say("No service answers: tasks are not looked for.", err=True)
    return _here(data)


def _here(data: bytes) -> Verification:
    try:
        from short_drama.images.inspection import inspect
        from short_drama.wiring.manifests import public_chain
    except ImportError:
        raise Problem(
            "pictures cannot be read here: what that needs is not installed",
            fix="Run: pip install 'short-drama[local]'",
            code=EXIT_USAGE,
        ) from None
    try:
        # This installation's certificate, where it can be read; none is made.
        found = inspect(data, trusted=public_chain(read_settings()))
    except ShortDramaError as error:
        raise Problem.of(error) from None
    return Verification.model_validate(found.to_json())


def _show(found: Verification) -> None:
    told = found.manifest
    say(f"manifest    {_STATES[told.state]}")
    for name, value in (
        ("signer", ", ".join(filter(None, (told.signer, told.issuer)))),
        ("reasons", ", ".join(told.reasons)),
        ("made by", told.facts.get("engine", "")),
        ("kind", told.facts.get("kind", "")),
        ("source", told.source),
    ):
        if value:
            say(f"{name:<12}{value}")
    for one in told.ingredients:
        own = (
            "no manifest" if one.manifest is None else f"its manifest {one.manifest} ({one.state})"
        )
        say(f"{'made of':<12}{one.name}: {own}")
    label = found.label or {}
    say(f"{'label':<12}{label.get('source') or 'none'}")
    if found.task is not None:
        exact = "these bytes" if found.task.is_result else "another picture of it"
        say(f"{'task':<12}{found.task.task_id} ({found.task.kind}, {exact})")
    say(f"{'sha256':<12}{found.sha256}")
