"""A real ComfyUI process on a free loopback port: started, restarted, killed."""

import asyncio
import os
import shutil
import signal
from pathlib import Path
from typing import Self

import aiohttp

from tests import patience
from tests.emulators.server import ServerFailed, free_ports
from tests.real_comfyui.program import Program

_CUSTOM_NODES = Path(__file__).parent / "custom_nodes"
_DIES_WITH_US = ["setpriv", "--pdeathsig", "KILL", "--"] if shutil.which("setpriv") else []
_SWITCHES = [
    "--cpu",
    "--disable-api-nodes",
    "--use-pytorch-cross-attention",  # halves the VAE's time on a CPU
]
_STARTS_WITHIN = 40.0
"""Seconds of a quiet machine, where it takes 5 to 10, mostly to import what it needs."""


class RealComfyUI:
    """ComfyUI on the CPU with tiny models, for an `async with`; everything it keeps is in `folder`.

    It ends by SIGKILL, so `folder` (the output, the uploads and the log) is left as it was then.
    """

    def __init__(self, folder: Path, program: Program, *options: str) -> None:
        """`options` go on ComfyUI's command line, such as "--cache-lru", "64"."""
        self._folder = folder
        self._program = program
        self._options = options
        (self._port,) = free_ports(1)
        self._process: asyncio.subprocess.Process | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    @property
    def output(self) -> str:
        """The end of its log, for a failing test to show."""
        return self._log.read_text(errors="replace")[-4000:]

    async def __aenter__(self) -> Self:
        for name, target in (("models", self._program.models), ("custom_nodes", _CUSTOM_NODES)):
            (self._folder / name).symlink_to(target, target_is_directory=True)
        try:
            await self.start()
        except BaseException:
            await self.stop()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def restart(self) -> None:
        """As after a crash: on the same port, with the same files, its queue and history lost."""
        await self.stop()
        await self.start()

    async def stop(self) -> None:
        """SIGKILL, at once. Nothing happens if it has ended."""
        process, self._process = self._process, None
        if process is not None:
            if process.returncode is None:
                process.send_signal(signal.SIGKILL)
            await process.wait()

    async def start(self) -> None:
        """After `stop`. Returns once it answers; raises ServerFailed if it does not."""
        with self._log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                *_DIES_WITH_US,
                *self._command(),
                cwd=self._folder,
                env=self._environment(),
                stdout=log,
                stderr=log,
            )
        seconds = _STARTS_WITHIN * patience.factor()
        try:
            async with asyncio.timeout(seconds):
                await self._answers(self._process)
        except TimeoutError:
            raise ServerFailed(f"no answer within {seconds:g} s: {self.output}") from None

    @property
    def _log(self) -> Path:
        return self._folder / "log"

    def _command(self) -> list[str]:
        options = {
            "--listen": "127.0.0.1",
            "--port": self._port,
            "--base-directory": self._folder,
            "--front-end-root": self._folder,  # no pages: its front end is not installed
            "--database-url": f"sqlite:///{self._folder / 'comfyui.db'}",  # else beside main.py
        }
        given = [str(word) for option in options.items() for word in option]
        program = [str(self._program.python), str(self._program.main)]
        return [*program, *_SWITCHES, *given, *self._options]

    def _environment(self) -> dict[str, str]:
        return {
            "HOME": str(self._folder),
            "TMPDIR": str(self._folder),
            "PATH": os.environ["PATH"],
            "HF_HUB_OFFLINE": "1",  # its tokenizer's files are its own
            "OMP_WAIT_POLICY": "PASSIVE",  # spinning threads halve the speed of a busy machine
        }

    async def _answers(self, process: asyncio.subprocess.Process) -> None:
        async with aiohttp.ClientSession(self.url) as session:
            while True:
                if process.returncode is not None:
                    raise ServerFailed(f"it ended with {process.returncode}: {self.output}")
                try:
                    async with session.get("/queue") as response:
                        response.raise_for_status()
                        return
                except aiohttp.ClientError:
                    await asyncio.sleep(0.1)
