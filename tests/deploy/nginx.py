"""The real nginx with our configuration, on free ports and with a certificate of its own."""

import asyncio
import contextlib
import re
import shutil
import ssl
import subprocess
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

from tests.emulators.server import free_ports

CONFIGURATION = Path(__file__).parents[2] / "deploy" / "nginx" / "short-drama.conf"
NAME, USER, PASSWORD = "studio.example", "anna", "apple"
PROGRAM = shutil.which("nginx", path="/usr/sbin:/usr/bin:/usr/local/sbin")

_MAIN = """\
daemon off;
master_process off;
pid {folder}/nginx.pid;
error_log {folder}/error.log;
events {{ worker_connections 64; }}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    include {folder}/short-drama.conf;
}}
"""


@dataclass(frozen=True, slots=True)
class Nginx:
    """`trusting`: knows its certificate."""

    plain_port: int
    tls_port: int
    trusting: ssl.SSLContext

    @property
    def url(self) -> str:
        return f"https://127.0.0.1:{self.tls_port}"


@contextlib.asynccontextmanager
async def nginx(folder: Path, *, gpu: str, cpu: str) -> AsyncIterator[Nginx]:
    """`gpu`, `cpu`: the orchestrators' addresses."""
    assert PROGRAM is not None
    plain, tls = free_ports(2)
    _make_certificate(folder)
    hashed = _run("openssl", "passwd", "-apr1", PASSWORD).strip()
    (folder / "htpasswd").write_text(f"{USER}:{hashed}\n")
    text = CONFIGURATION.read_text()
    for there, here in {
        r"127\.0\.0\.1:8080": gpu.removeprefix("http://"),
        r"127\.0\.0\.1:8081": cpu.removeprefix("http://"),
        r"listen 80;": f"listen 127.0.0.1:{plain};",
        r"listen 443 ": f"listen 127.0.0.1:{tls} ",
        r"/etc/short-drama/(tls/)?": f"{folder}/",
    }.items():
        text, number = re.subn(there, here, text)
        assert number, there
    (folder / "short-drama.conf").write_text(text)
    (folder / "nginx.conf").write_text(_MAIN.format(folder=folder))
    words = (PROGRAM, "-p", str(folder), "-c", str(folder / "nginx.conf"))
    process = await asyncio.create_subprocess_exec(
        *words, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL
    )
    try:
        await _listening(tls, process, folder)
        trusting = ssl.create_default_context(cafile=str(folder / "fullchain.pem"))
        yield Nginx(plain, tls, trusting)
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        await process.wait()


async def _listening(port: int, process: asyncio.subprocess.Process, folder: Path) -> None:
    for _ in range(1000):
        if process.returncode is not None:
            break
        with contextlib.suppress(OSError):
            _, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.close()
            return
        await asyncio.sleep(0.1)
    raise AssertionError((folder / "error.log").read_text())


def _make_certificate(folder: Path) -> None:
    names = f"subjectAltName=DNS:{NAME},IP:127.0.0.1"
    _run(
        "openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2",
        "-subj", f"/CN={NAME}", "-addext", names,
        "-keyout", str(folder / "privkey.pem"), "-out", str(folder / "fullchain.pem"),
    )  # fmt: skip


def _run(*words: str) -> str:
    return subprocess.run(words, check=True, capture_output=True, text=True).stdout
