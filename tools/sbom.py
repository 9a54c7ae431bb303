"""A bill of materials of a release, as CycloneDX 1.6 in JSON: what is pinned, with its hashes.

It is made of the same files that hosts install from, not of what happens to be installed here; only
licences are looked up there. The same release gives the same bytes.
"""

import json
import tomllib
import uuid
from pathlib import Path
from typing import Any

import click

from tools.locked import ROOT, Locked, licence, shipped

_FORMAT = {"bomFormat": "CycloneDX", "specVersion": "1.6", "version": 1}


def bill() -> dict[str, Any]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    ours, packages = f"pkg:pypi/{project['name']}@{project['version']}", shipped()
    serial = uuid.uuid5(uuid.NAMESPACE_URL, ours + "".join(map(_purl, packages)))
    return _FORMAT | {
        "serialNumber": f"urn:uuid:{serial}",
        "metadata": {
            "component": {
                "type": "application",
                "bom-ref": ours,
                "purl": ours,
                "name": project["name"],
                "version": project["version"],
                "description": project["description"],
            }
        },
        "components": [_component(each) for each in packages],
        "dependencies": [{"ref": ours, "dependsOn": [_purl(each) for each in packages]}],
    }


def _purl(package: Locked) -> str:
    return f"pkg:pypi/{package.name}@{package.version}"


def _component(package: Locked) -> dict[str, Any]:
    """Its files differ by system and Python, and each has a hash: any of these may be installed."""
    files = [{"type": "distribution", "url": _purl(package), "hashes": _hashes(package)}]
    return {
        "type": "library",
        "bom-ref": _purl(package),
        "purl": _purl(package),
        "name": package.name,
        "version": package.version,
        "licenses": [{"license": {"name": licence(package.name)}}],
        "externalReferences": files,
        "properties": [{"name": "marker", "value": package.marker}] if package.marker else [],
    }


def _hashes(package: Locked) -> list[dict[str, str]]:
    return [{"alg": "SHA-256", "content": each} for each in package.sha256]


@click.command()
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
def main(file: Path) -> None:
    """Write it to FILE."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(bill(), indent=1) + "\n")
    click.echo(f"Wrote {file}: {len(bill()['components'])} packages")


if __name__ == "__main__":
    main()
