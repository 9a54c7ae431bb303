"""The whole product in one process with the no-op engine; prints its addresses as JSON."""

import asyncio
import json
import sys
from collections.abc import Mapping
from pathlib import Path

from short_drama.cli import host
from short_drama.wiring import Component
from tests.noop_engine import NOOP
from tests.stack import stack_settings


def announce(urls: Mapping[Component, str]) -> None:
    print(json.dumps(urls), flush=True)


async def main() -> None:
    await host.run(
        stack_settings(Path(sys.argv[1])),
        list(Component),
        alone=True,
        ready=announce,
        stop=host.stop_on_signals(),
        engines=NOOP,
    )


asyncio.run(main())
