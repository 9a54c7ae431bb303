"""`short-drama provision`."""

import asyncio

from short_drama.cli.configuration import read_settings
from short_drama.cli.exits import EXIT_UNAVAILABLE, EXIT_USAGE, Problem
from short_drama.cli.terminal import say
from short_drama.domain.errors import ShortDramaError
from short_drama.wiring.backend import provision as create_what_is_missing


def provision() -> None:
    settings = read_settings()
    if settings.backend != "aws":
        raise Problem(
            "the embedded backend needs no provisioning",
            fix="Set SHORT_DRAMA_BACKEND=aws.",
            code=EXIT_USAGE,
        )
    try:
        created = asyncio.run(create_what_is_missing(settings))
    except ShortDramaError as error:
        raise Problem(error.detail, fix=error.fix, code=EXIT_UNAVAILABLE) from None
    for name in created:
        say(f"created {name}")
    if not created:
        say("everything is there")
