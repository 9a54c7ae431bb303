"""Requests that the OpenAPI documents allow, and such that they do not, by schemathesis.

It runs as a process of its own, as from outside: with all its checks and phases.
"""

import asyncio
import json
import os
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from short_drama.domain.api_keys import make
from short_drama.domain.principal import Scope
from short_drama.sdk.models import AssetView
from short_drama.wiring.backend import open_backend
from short_drama.wiring.components import Component
from tests.samples import png
from tests.stack import RunningStack

_CONFIG = Path(__file__).with_name("schemathesis.toml")


@dataclass(frozen=True, slots=True)
class Fuzzed:
    """`told`: what schemathesis has to say of one application."""

    clean: bool
    told: str


@dataclass(frozen=True, slots=True)
class Pictures:
    """References: one of 256 x 256 pixels, and one that a character's purge may delete."""

    image: str
    face: str


Keys = Mapping[str, str]
"""By their owners' names: the first one's asks, and nothing of it is another's."""


async def keys_of(stack: RunningStack, component: Component) -> Keys:
    """Two people's for an orchestrator; for what only our own processes ask, one that may do all,
    to whom nothing is another's."""
    is_for_people = component in (Component.ORCHESTRATOR, Component.CPU_ORCHESTRATOR)
    scopes = frozenset(Scope) - ({Scope.OPERATE} if is_for_people else set())
    keys = {}
    async with open_backend(stack.settings, assets_url="") as backend:
        for owner in ("lin", "zhou") if is_for_people else ("ops",):
            key, given = make(owner=owner, scopes=scopes, now=time.time())
            await backend.keys.add(key)
            keys[owner] = str(given)
    return keys


async def uploaded(stack: RunningStack, keys: Keys | None = None) -> Pictures:
    """Pictures for `fuzz`."""
    return Pictures(await _uploaded(stack, keys, 256), await _uploaded(stack, keys, 255))


async def _uploaded(stack: RunningStack, keys: Keys | None, size: int) -> str:
    url, headers = f"{stack.gpu}/api/v1/assets", {"Content-Type": "image/png"}
    if keys:
        headers |= _shown(next(iter(keys.values())))
    async with stack.http.post(url, data=png(size, size), headers=headers) as answer:
        return AssetView.model_validate(await answer.json()).image_url


def _shown(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


@contextmanager
def _configured(keys: Keys | None) -> Iterator[Path]:
    """The file that tells schemathesis who asks, for no key is to be seen among arguments."""
    if not keys:
        yield _CONFIG
        return
    with tempfile.TemporaryDirectory() as folder:
        people, config = Path(folder) / "people.json", Path(folder) / "schemathesis.toml"
        told = [
            {
                "name": owner,
                "fixedHeaders": [{"name": name, "value": v} for name, v in _shown(key).items()],
            }
            for owner, key in keys.items()
        ]
        people.write_text(json.dumps({"auth": told}))
        who: dict[str, Any] = {"path": str(people), "user": next(iter(keys))}
        if len(keys) > 1:
            who["peers"] = list(keys)
        lines = (f"{name} = {json.dumps(value)}" for name, value in who.items())
        config.write_text("\n".join((_CONFIG.read_text(), "[auth.wfc]", *lines, "")))
        yield config


async def fuzz(
    url: str,
    *,
    images: Pictures,
    seed: int,
    examples: int,
    leave_out: Sequence[str] = (),
    keys: Keys | None = None,
) -> Fuzzed:
    """The application at `url`, which has to be running.

    Args:
        images: that it holds.
        examples: of each operation, for each phase that makes them up.
        leave_out: tags of operations.
        keys: where they are demanded.
    """
    with _configured(keys) as config:
        words = [
            *("-m", "schemathesis.cli", "--config-file", str(config), "run", f"{url}/openapi.json"),
            *("--seed", str(seed), "--max-examples", str(examples)),
            # To delete a job is to stop it: its end is still told.
            *("--checks", "all", "--exclude-checks", "use_after_free"),
            *("--no-shrink", "--continue-on-failure"),
            *(word for tag in leave_out for word in ("--exclude-tag", tag)),
            *("--request-timeout", "60", "--suppress-health-check", "all", "--no-color"),
        ]
        return await _run(words, images)


async def _run(words: Sequence[str], images: Pictures) -> Fuzzed:
    shown = {"FUZZED_IMAGE": images.image, "FUZZED_FACE": images.face}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, *words),
        env={**os.environ, "SCHEMATHESIS_HOOKS": "tests.fuzz.hooks", **shown},
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
