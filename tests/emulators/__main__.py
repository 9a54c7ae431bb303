"""Start the emulators and print the variables to export, until interrupted."""

import contextlib
import signal
import tempfile
from pathlib import Path

from tests.emulators import running


def main() -> None:
    with (
        tempfile.TemporaryDirectory(prefix="emulators-") as folder,
        running(Path(folder)) as emulators,
        contextlib.suppress(KeyboardInterrupt),
    ):
        for name, value in emulators.environment().items():
            print(f"export {name}={value}")
        print(f"# Logs are in {folder}. Ctrl-C ends the servers.", flush=True)
        signal.pause()


if __name__ == "__main__":
    main()
