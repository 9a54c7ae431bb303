"""What `short-drama` says by itself, and how its help lists the commands.

Only what is quick to import is imported here.
"""

from typing import Final

import click

START: Final = """\
Film stills in, new film stills out: camera angles, edits, face masks and swaps.

Begin with these:
  short-drama up        start everything on this machine: no account, no key, no GPU
  short-drama samples   put two photographs here, still.png and actor.png
  short-drama submit camera-angle --image still.png --set horizontal=-1 --output moved.png
  short-drama doctor    when something does not work: what it is, and what to do

All commands: short-drama --help; more of one: short-drama submit --help"""

_SECTIONS: Final = {
    "First steps": ("up", "samples", "demo", "doctor"),
    "Tasks": ("submit", "tasks", "kinds", "logs", "verify"),
    "Shots": ("shots", "pick", "unpick"),
    "Engines": ("models", "workflows"),
}
_OTHERS: Final = "Operating it"
_EPILOG: Final = """\
Exit codes: 0 done; 1 a task failed or was cancelled, a check found a fault, or accounts differ; 2
the command line or a request was wrong; 3 the service cannot be reached or started; 4 doctor found
something wrong; 130 interrupted by Ctrl-C."""


class FirstPage(click.Group):
    """Commands in the order in which they are met."""

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        named = {name for names in _SECTIONS.values() for name in names}
        others = [name for name in self.list_commands(ctx) if name not in named]
        width = formatter.width - max(map(len, self.commands)) - 6
        for title, names in {**_SECTIONS, _OTHERS: others}.items():
            with formatter.section(title):
                formatter.write_dl(
                    [(name, self.commands[name].get_short_help_str(width)) for name in names]
                )

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        formatter.write_paragraph()
        formatter.write_text(_EPILOG)
