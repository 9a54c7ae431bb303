"""How the command ends when it cannot do what was asked."""

import click

EXIT_FAILED, EXIT_USAGE, EXIT_UNAVAILABLE, EXIT_INTERRUPTED = 1, 2, 3, 130


class Problem(click.ClickException):
    """An error as one line, and its fix as another."""

    def __init__(self, message: str, *, fix: str | None = None, code: int) -> None:
        super().__init__(f"{message}\n{fix}" if fix else message)
        self.exit_code = code  # type: ignore[misc]
