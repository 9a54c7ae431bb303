"""The typed client of the public HTTP API, for Python programs; the CLI uses it too.

`Client` blocks, and works in notebooks; `AsyncClient` is for programs with an event loop.
"""

from short_drama.sdk.client import AsyncClient
from short_drama.sdk.sync import Client

__all__ = ["AsyncClient", "Client"]
