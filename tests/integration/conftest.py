"""What several integration tests stand on."""

from tests.integration.adapter_line import line

__all__ = ["line"]
