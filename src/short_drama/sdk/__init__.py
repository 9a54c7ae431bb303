"""The typed client of the public HTTP API, for Python programs; the CLI uses it too.

`Client` blocks, and works in notebooks; `AsyncClient` is for programs with an event loop. Each is
brought when it is first named: whoever imports this package alone waits for none of them.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from short_drama.sdk.client import AsyncClient
    from short_drama.sdk.sync import Client
    from short_drama.sdk.webhooks import read_webhook

__all__ = ["AsyncClient", "Client", "read_webhook"]

_WHERE: Final = {"AsyncClient": "client", "Client": "sync", "read_webhook": "webhooks"}


def __getattr__(name: str) -> Any:
    """PEP 562."""
    if name not in _WHERE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_WHERE[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
