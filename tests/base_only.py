"""As where only the base distribution is installed: what its extras bring cannot be imported.

A program: `python -m tests.base_only WORDS...` is `short-drama WORDS...` in such an environment.
"""

import sys
from collections.abc import Sequence
from importlib.machinery import ModuleSpec
from importlib.util import find_spec
from types import ModuleType

from short_drama.cli import extras

WITHOUT = extras.LOCAL | {"aiobotocore", "botocore", "c2pa", "opentelemetry"}


class Absent:
    """Finds what is not to be there, and says that it is not."""

    def __init__(self, names: frozenset[str]) -> None:
        self._names = names

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if name.partition(".")[0] in self._names:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
        return None


def hide(names: frozenset[str] = WITHOUT) -> None:
    """From this whole process, for good."""
    sys.meta_path.insert(0, Absent(names))
    vars(extras)["find_spec"] = lambda name: None if name in names else find_spec(name)


if __name__ == "__main__":
    hide()
    from short_drama.cli.main import main

    main()
