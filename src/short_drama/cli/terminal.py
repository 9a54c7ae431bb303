"""What the command says to people: whatever it is made of, it does nothing to their terminal."""

import click

from short_drama.domain.letters import visible


def say(words: str, *, err: bool = False) -> None:
    """A line, or several. `err`: on the error output."""
    click.echo(visible(words), err=err)
