"""Requests that the OpenAPI documents allow, and such that they do not, by schemathesis.

It runs as a process of its own, as from outside: with all its checks and phases.
"""

import asyncio
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from short_drama.sdk.models import AssetView
from tests.samples import png
from tests.stack import RunningStack

_CONFIG = Path(__file__).with_name("schemathesis.toml")


@dataclass(frozen=True, slots=True)
class Fuzzed:
    """`told`: what schemathesis has to say of one application."""

    clean: bool
    told: str


async def uploaded(stack: RunningStack) -> str:
    """The reference of a picture for `fuzz`."""
    url, headers = f"{stack.gpu}/api/v1/assets", {"Content-Type": "image/png"}
    async with stack.http.post(url, data=png(256, 256), headers=headers) as answer:
        return AssetView.model_validate(await answer.json()).image_url


async def fuzz(
    url: str, *, image: str, seed: int, examples: int, leave_out: Sequence[str] = ()
) -> Fuzzed:
    """The application at `url`, which has to be running.

    Args:
        image: the reference of a picture of 256 x 256 pixels that it holds.
        examples: of each operation, for each phase that makes them up.
        leave_out: tags of operations.
    """
    words = [
        *("-m", "schemathesis.cli", "--config-file", str(_CONFIG), "run", f"{url}/openapi.json"),
        *("--seed", str(seed), "--max-examples", str(examples)),
        # To delete a job is to stop it: its end is still told.
        *("--checks", "all", "--exclude-checks", "use_after_free"),
        *("--no-shrink", "--continue-on-failure"),
        *(word for tag in leave_out for word in ("--exclude-tag", tag)),
        *("--request-timeout", "60", "--suppress-health-check", "all", "--no-color"),
    ]
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, *words),
        env={**os.environ, "SCHEMATHESIS_HOOKS": "tests.fuzz.hooks", "FUZZED_IMAGE": image},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        told, _ = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    return Fuzzed(process.returncode == 0, told.decode(errors="replace"))
