"""What several integration tests stand on."""

from tests.integration.adapter_line import line
from tests.integration.http_api import api, backend, running

__all__ = ["api", "backend", "line", "running"]
