"""`short-drama doctor`: its options. Only what is quick to import is imported here."""

from typing import Any

import click

from short_drama.cli.catalogues import COMPONENTS
from short_drama.cli.options import as_json, data_dir


@click.command()
@click.option(
    "--fast", is_flag=True, help="Only what is quick, free, and on this machine: for health checks."
)
@click.option(
    "--only", multiple=True, metavar="NAME", help="This check, and what it needs; repeat for more."
)
@click.option(
    "--component",
    "components",
    multiple=True,
    metavar="NAME",
    type=click.Choice(COMPONENTS),
    help="What belongs on this machine, as for `serve`; repeat for more.  [default: what "
    "systemd's units say; else everything, or on AWS nothing]",
)
@click.option(
    "--installed",
    is_flag=True,
    help="Go by the settings and credentials of the services that are installed on this host, in "
    "/etc/short-drama: as root.",
)
@data_dir
@as_json
def doctor(**options: Any) -> None:
    """Look whether all is well, and say what to do where not.

    Changes nothing; on AWS one small object is put below each prefix that this machine writes to.
    docs/doctor.md says what each check means. Exit 4 if something is wrong; warnings are 0.

    \b
    short-drama doctor
    short-drama doctor --fast --json
    """
    from short_drama.cli import doctor_report as command

    command.doctor(**options)
