"""What the command line offers to choose from. A test holds it to the catalogues it repeats, which
take a while to import; only click is imported here."""

import click
from click.shell_completion import CompletionItem

COMPONENTS = (
    "orchestrator", "cpu-orchestrator", "comfyui-api", "paid-api", "gpu-adapter", "cpu-adapter",
)  # fmt: skip
KINDS = ("camera-angle", "qwen-image-edit", "face-mask", "face-swap", "full-face-swap")
LANES = ("gpu", "cpu")
ORDERS = ("newest", "oldest", "shot")
STATUSES = ("pending", "processing", "completed", "failed", "cancelled")


class Kind(click.ParamType[str]):
    """Completes the usual kinds; an operator's workflows are more, so the command judges."""

    name = "kind"

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        return [CompletionItem(kind) for kind in KINDS if kind.startswith(incomplete)]
