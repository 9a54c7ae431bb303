"""`short-drama provision`."""

import asyncio

import click

from short_drama.cli.configuration import read_settings
from short_drama.cli.exits import EXIT_USAGE, Problem
from short_drama.wiring.backend import provision as create_what_is_missing


def provision() -> None:
    settings = read_settings()
    if settings.backend != "aws":
        raise Problem(
            "the embedded backend needs no provisioning",
            fix="Set SHORT_DRAMA_BACKEND=aws.",
            code=EXIT_USAGE,
        )
    created = asyncio.run(create_what_is_missing(settings))
    for name in created:
        click.echo(f"created {name}")
    if not created:
        click.echo("everything is there")
