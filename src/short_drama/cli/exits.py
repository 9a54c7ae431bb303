"""How the command ends when it cannot do what was asked."""

from typing import Self

import click

from short_drama.domain.errors import ShortDramaError, UserError
from short_drama.domain.letters import visible

EXIT_FAILED, EXIT_USAGE, EXIT_UNAVAILABLE, EXIT_ILL, EXIT_INTERRUPTED = 1, 2, 3, 4, 130


class Problem(click.ClickException):
    """An error as one line, and its fix as another."""

    def __init__(self, message: str, *, fix: str | None = None, code: int) -> None:
        super().__init__(f"{message}\n{fix}" if fix else message)
        self.exit_code = code  # type: ignore[misc]

    def format_message(self) -> str:
        return visible(self.message)

    @classmethod
    def of(cls, error: ShortDramaError) -> Self:
        code = EXIT_USAGE if isinstance(error, UserError) else EXIT_UNAVAILABLE
        return cls(error.detail, fix=error.fix, code=code)
