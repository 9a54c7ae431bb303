"""Our version, as neighbours and operators are told it."""

from importlib.metadata import version
from typing import Final

VERSION: Final = version("short-drama")
