"""`python -m tests.real_comfyui install .comfyui`: any Python from 3.11 to 3.13 will do."""

import argparse
from pathlib import Path

from tests.real_comfyui.install import install


def main() -> None:
    parser = argparse.ArgumentParser(prog="tests.real_comfyui")
    commands = parser.add_subparsers(required=True)
    command = commands.add_parser("install", help="make a ComfyUI for tests in a folder")
    command.add_argument("home", type=Path)
    command.add_argument("--torch-index", metavar="URL", help="has torch's builds for CPUs")
    chosen = parser.parse_args()
    install(chosen.home.absolute(), torch_index=chosen.torch_index)


if __name__ == "__main__":
    main()
