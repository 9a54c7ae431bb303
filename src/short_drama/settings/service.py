"""Where the components listen, and whom they let in."""

import ipaddress
from pathlib import Path
from typing import Annotated

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import NoDecode

from short_drama.settings.parts import Group, HostName, Network, Port, ServiceUrl, listed


class ServiceSettings(Group):
    """Addresses and limits of our own services."""

    host: str = "127.0.0.1"
    public_hosts: Annotated[tuple[HostName, ...], NoDecode] = ()
    """Names that requests may give beside loopback addresses and localhost, comma separated: those
    of a reverse proxy."""
    orchestrator_port: Port = 8080
    cpu_orchestrator_port: Port = 8081
    comfyui_api_port: Port = 8000
    paid_api_port: Port = 8001
    gpu_adapter_port: Port = 8002
    cpu_adapter_port: Port = 8003
    comfyui_api_url: str | None = None
    """Where the GPU adapter finds its API service; default: on this host."""
    paid_api_url: str | None = None
    assets_url: str | None = None
    """Where clients read assets; default: CloudFront, if there is one, else the GPU
    orchestrator's /assets."""

    otlp_endpoint: ServiceUrl | None = None
    """A collector of traces, by OTLP over HTTP; without one there are none."""

    c2pa_certificate: Path | None = None
    """A file with the PEM chain, its leaf first, that results' manifests are signed with; without
    one the embedded backend makes one for development."""
    c2pa_key: SecretStr | None = None
    """That leaf's key, in PEM, or the path of a file that holds it."""

    fetch_allow: Annotated[tuple[Network, ...], NoDecode] = ()
    """Private networks the URL fetcher may reach, comma separated: for tests and laptops."""
    consent_required: bool = False
    max_pending_tasks: Annotated[int, Field(ge=1)] = 10_000
    """Tasks of a lane that may wait or run; more are refused."""

    @field_validator("host")
    @classmethod
    def _loopback(cls, host: str) -> str:
        name = "127.0.0.1" if host == "localhost" else host
        try:
            if ipaddress.ip_address(name).is_loopback:
                return name
        except ValueError:
            pass
        raise ValueError(
            "only loopback addresses: nobody signs in here, so nobody else may reach it"
        )

    @field_validator("public_hosts", "fetch_allow", mode="before")
    @classmethod
    def _names_and_networks(cls, value: object) -> object:
        return listed(value)
