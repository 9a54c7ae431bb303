"""The command in a process of its own that need not import anything: half a second saved each time.

A program, `python -m tests.warm SOCKET`, has imported all that the command may need, and forks for
each line that it is asked to run, with the environment, folder and outputs of whoever asks. It ends
with its standard input, which is ours.
"""

import asyncio
import atexit
import gc
import importlib
import json
import os
import pkgutil
import selectors
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import traceback
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from short_drama import cli
from tests.patience import SOON

_HEAVY = ("aiobotocore.session", "short_drama.wiring.stack", "short_drama.orchestrator")

_STARTING = threading.Lock()


async def run(
    words: Sequence[str], *, environment: Mapping[str, str], folder: Path
) -> tuple[int, bytes, bytes]:
    """Exit code, and what it wrote to stdout and stderr."""
    with tempfile.TemporaryDirectory(prefix="warm-") as scratch:
        outputs = [Path(scratch) / name for name in ("out", "err")]
        asked = {
            "words": list(words),
            "environment": dict(environment),
            "folder": str(folder),
            "outputs": [str(output) for output in outputs],
        }
        reader, writer = await asyncio.open_unix_connection(await asyncio.to_thread(_address))
        try:
            writer.write(json.dumps(asked).encode() + b"\n")
            code = int(await reader.read())
        finally:
            writer.close()
        out, err = (output.read_bytes() for output in outputs)
    return code, out, err


def _address() -> str:
    """Of the program, which the first who asks starts."""
    with _STARTING:
        return _started()


@cache
def _started() -> str:
    folder = tempfile.TemporaryDirectory(prefix="warm-")
    address = str(Path(folder.name) / "socket")
    environment = {**os.environ, "OPENBLAS_NUM_THREADS": "1"}  # threads do not survive a fork
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.warm", address], stdin=subprocess.PIPE, env=environment
    )

    def end() -> None:
        process.communicate(timeout=SOON)
        folder.cleanup()

    atexit.register(end)
    deadline = time.monotonic() + SOON
    while not Path(address).exists():
        assert process.poll() is None, "it has not started"
        assert time.monotonic() < deadline, "it does not start"
        time.sleep(0.02)
    return address


# --- The program --------------------------------------------------------------------------


def _serve(address: str) -> None:
    for module in pkgutil.iter_modules(cli.__path__, f"{cli.__name__}."):
        importlib.import_module(module.name)
    for name in _HEAVY:
        importlib.import_module(name)
    gc.collect()
    gc.freeze()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for whom we fork
    with socket.socket(socket.AF_UNIX) as listener, selectors.DefaultSelector() as waits:
        listener.bind(f"{address}.new")
        listener.listen(64)
        Path(f"{address}.new").rename(address)
        waits.register(listener, selectors.EVENT_READ)
        waits.register(sys.stdin, selectors.EVENT_READ)
        while sys.stdin not in [key.fileobj for key, _ in waits.select()]:
            connection, _ = listener.accept()
            with connection:
                if os.fork() == 0:
                    listener.close()
                    os._exit(_answer(connection))


def _answer(connection: socket.socket) -> int:
    """Runs what is asked for in a process below this one, and tells its exit code."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    with connection.makefile("rb") as lines:
        asked = json.loads(lines.readline())
    if (child := os.fork()) == 0:
        connection.close()
        os._exit(_run(**asked))
    _, status = os.waitpid(child, 0)
    connection.sendall(str(os.waitstatus_to_exitcode(status)).encode())
    return 0


def _run(
    words: Sequence[str], environment: Mapping[str, str], folder: str, outputs: Sequence[str]
) -> Any:
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for number, path in enumerate([os.devnull, *outputs]):
        flags = os.O_RDONLY if number == 0 else os.O_WRONLY | os.O_CREAT
        os.dup2(os.open(path, flags, 0o600), number)
    os.environ.clear()
    os.environ.update(environment)
    time.tzset()
    os.chdir(folder)
    sys.argv = ["short-drama", *words]
    code: Any = 0
    try:
        importlib.import_module("short_drama.cli.main").main()
    except SystemExit as ended:
        code = ended.code
    except BaseException:  # as an interpreter ends
        traceback.print_exc()
        code = 1
    sys.stdout.flush()
    sys.stderr.flush()
    return code or 0


if __name__ == "__main__":
    _serve(sys.argv[1])
