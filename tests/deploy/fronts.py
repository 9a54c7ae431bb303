"""The real nginx and the real Caddy with our configurations, on free ports and with a certificate
of their own."""

import asyncio
import contextlib
import os
import re
import shutil
import ssl
import subprocess
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.emulators.server import free_ports

DEPLOY: Final = Path(__file__).parents[2] / "deploy"
NAME: Final = "studio.example"
PATH: Final = "/usr/sbin:/usr/bin:/usr/local/bin:/usr/local/sbin"

_NGINX: Final = """\
daemon off;
master_process off;
pid {folder}/nginx.pid;
error_log {folder}/error.log;
events {{ worker_connections 64; }}
http {{
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    include {folder}/short-drama.conf;
}}
"""
_CADDY: Final = """\
{{
	admin off
	storage file_system {folder}/storage
	http_port {plain}
	https_port {tls}
	default_bind 127.0.0.1
	skip_install_trust
	log {{
		output file {folder}/error.log
	}}
}}

"""


@dataclass(frozen=True, slots=True)
class Front:
    """`trusting`: knows its certificate."""

    plain_port: int
    tls_port: int
    trusting: ssl.SSLContext
    folder: Path

    @property
    def url(self) -> str:
        return f"https://127.0.0.1:{self.tls_port}"

    @property
    def written(self) -> str:
        """All that it has logged."""
        return "".join(log.read_text() for log in self.folder.glob("*.log"))


@dataclass(frozen=True, slots=True)
class Program:
    """`words`: its command line, once `prepare` has written its configuration into the folder."""

    name: str
    configuration: Path
    prepare: Callable[[Path, Mapping[str, str], int, int], Sequence[str]]

    @property
    def is_installed(self) -> bool:
        return shutil.which(self.name, path=PATH) is not None


def _changed(configuration: Path, changes: Mapping[str, str]) -> str:
    text = configuration.read_text()
    for there, here in changes.items():
        text, number = re.subn(there, here, text)
        assert number, there
    return text


def _nginx(folder: Path, backends: Mapping[str, str], plain: int, tls: int) -> Sequence[str]:
    changes = {
        **backends,
        r"listen 80;": f"listen 127.0.0.1:{plain};",
        r"listen 443 ": f"listen 127.0.0.1:{tls} ",
        r"/etc/short-drama/tls/": f"{folder}/",
        r"/var/log/nginx/": f"{folder}/",
    }
    (folder / "short-drama.conf").write_text(_changed(NGINX.configuration, changes))
    (folder / "nginx.conf").write_text(_NGINX.format(folder=folder))
    return ("-p", str(folder), "-c", str(folder / "nginx.conf"))


def _caddy(folder: Path, backends: Mapping[str, str], plain: int, tls: int) -> Sequence[str]:
    own = f"studio.example {{\n\ttls {folder}/fullchain.pem {folder}/privkey.pem\n"
    text = _changed(CADDY.configuration, {**backends, r"studio\.example \{\n": own})
    main = _CADDY.format(folder=folder, plain=plain, tls=tls)
    (folder / "Caddyfile").write_text(main + text)
    return ("run", "--config", str(folder / "Caddyfile"), "--adapter", "caddyfile")


NGINX: Final = Program("nginx", DEPLOY / "nginx" / "short-drama.conf", _nginx)
CADDY: Final = Program("caddy", DEPLOY / "caddy" / "Caddyfile", _caddy)


@contextlib.asynccontextmanager
async def front(program: Program, folder: Path, *, gpu: str, cpu: str) -> AsyncIterator[Front]:
    """`gpu`, `cpu`: the orchestrators' addresses."""
    plain, tls = free_ports(2)
    _make_certificate(folder)
    backends = {
        r"127\.0\.0\.1:8080": gpu.removeprefix("http://"),
        r"127\.0\.0\.1:8081": cpu.removeprefix("http://"),
    }
    words = program.prepare(folder, backends, plain, tls)
    with (folder / "said.log").open("wb") as said:
        process = await asyncio.create_subprocess_exec(
            *(str(shutil.which(program.name, path=PATH)), *words),
            env={**os.environ, "HOME": str(folder), "XDG_CONFIG_HOME": str(folder)},
            stdout=said,
            stderr=said,
        )
    try:
        await _listening(tls, process, folder)
        trusting = ssl.create_default_context(cafile=str(folder / "fullchain.pem"))
        yield Front(plain, tls, trusting, folder)
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
    raise AssertionError((folder / "said.log").read_text())


def _make_certificate(folder: Path) -> None:
    words = (
        "openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2",
        "-subj", f"/CN={NAME}", "-addext", f"subjectAltName=DNS:{NAME}",
        "-keyout", str(folder / "privkey.pem"), "-out", str(folder / "fullchain.pem"),
    )  # fmt: skip
    subprocess.run(words, check=True, capture_output=True)
