"""The documents as they are stored in docs/openapi/, and as the running product gives them."""

import json
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from short_drama.wiring.components import Component
from tests.noop_engine import NOOP
from tests.stack import running_stack

FOLDER: Final = Path(__file__).parents[2] / "docs" / "openapi"
PROMISED: Final = (
    Component.ORCHESTRATOR, Component.CPU_ORCHESTRATOR, Component.COMFYUI_API, Component.PAID_API,
)  # fmt: skip


def path(component: Component) -> Path:
    return FOLDER / f"{component}.json"


def stored(component: Component) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(path(component).read_text())
    return found


async def current() -> Mapping[Component, dict[str, Any]]:
    """Of the product as it is by default, without the version that it has today."""
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        async with running_stack(Path(folder), NOOP) as stack:
            for component in PROMISED:
                async with stack.http.get(f"{stack.urls[component]}/openapi.json") as answer:
                    found[component] = await answer.json()
    for document in found.values():
        document["info"]["version"] = "1"
    return found


def store(documents: Mapping[Component, Mapping[str, Any]]) -> None:
    FOLDER.mkdir(exist_ok=True)
    for component, document in documents.items():
        text = json.dumps(document, indent=1, sort_keys=True, ensure_ascii=False)
        path(component).write_text(text + "\n")
