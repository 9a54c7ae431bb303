"""`.comfyui/bin/python -m tests.real_comfyui install .comfyui/server`"""

import argparse
from pathlib import Path

from tests.real_comfyui.install import install


def main() -> None:
    parser = argparse.ArgumentParser(prog="tests.real_comfyui")
    commands = parser.add_subparsers(required=True)
    command = commands.add_parser("install", help="make a ComfyUI for tests in a folder")
    command.add_argument("folder", type=Path)
    install(parser.parse_args().folder)


if __name__ == "__main__":
    main()
