"""docs/third-party.md: the licence of every package that a release may bring; it is in the wheel.

`make licences` writes it, from the pinned versions and the metadata of what is installed.
"""

import click

from tools.locked import ROOT, licence, shipped

PAGE = ROOT / "docs" / "third-party.md"
_ABOVE = """# Third-party packages

None of their code is in our wheel: pip brings them, each with its own licence text. Written by
`make licences` from what the pinned versions say of themselves.

| package | version | licence | only where |
|---|---|---|---|
"""


def page() -> str:
    rows = (
        f"| {each.name} | {each.version} | {licence(each.name)} | {each.marker or ''} |"
        for each in shipped()
    )
    return _ABOVE + "\n".join(rows) + "\n"


@click.command()
def main() -> None:
    PAGE.write_text(page())
    click.echo(f"Wrote {PAGE.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
