"""The typed client of the public HTTP API, for Python programs; the CLI uses it too.

`Client` blocks, and works in notebooks; `AsyncClient` is for programs with an event loop.
"""

from short_drama.sdk.client import AsyncClient
from short_drama.sdk.sync import Client
from short_drama.sdk.webhooks import read_webhook

__all__ = ["AsyncClient", "Client", "read_webhook"]
