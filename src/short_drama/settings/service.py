"""Where the components listen, and whom they let in."""

import ipaddress
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import NoDecode

from short_drama.settings.parts import Group, HostName, Network, Port, ServiceUrl, listed


class ServiceSettings(Group):
    """Addresses and limits of our own services."""

    host: str = "127.0.0.1"
    """Beyond loopback addresses nobody is let in without a key."""
    require_keys: bool = False
    """Whether a key is needed on loopback addresses as well: where a reverse proxy leads there."""
    api_key: SecretStr | None = None
    """Of this machine's own commands, for the service that they talk to."""
    service_token: Annotated[SecretStr, Field(min_length=32)] | None = None
    """What adapters show to API services, where keys are needed: on AWS the same for all of them;
    the embedded backend makes its own."""
    public_hosts: Annotated[tuple[HostName, ...], NoDecode] = ()
    """Names that requests may give beside loopback addresses and localhost, comma separated: those
    of a reverse proxy."""
    trusted_proxies: Annotated[tuple[Network, ...], NoDecode] = ()
    """Networks of the reverse proxies in front, comma separated: what they say of whom a request
    came from is believed, and what others say is not."""
    proxy_headers: Literal["x-forwarded", "forwarded"] = "x-forwarded"
    """In which fields they say it: X-Forwarded-For, -Proto and -Host, or Forwarded (RFC 7239)."""
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

    public_assets: bool = False
    """Whether pictures are shown to whoever knows their address, though keys are needed."""
    asset_url_hours: Annotated[int, Field(ge=1, le=168)] = 24
    """For which the addresses of pictures open them, where keys are needed."""

    otlp_endpoint: ServiceUrl | None = None
    """A collector of traces, by OTLP over HTTP; without one there are none."""

    c2pa_certificate: Path | None = None
    """A file with the PEM chain, its leaf first, that results' manifests are signed with; without
    one the embedded backend makes one for development."""
    c2pa_key: SecretStr | None = None
    """That leaf's key, in PEM, or the path of a file that holds it."""

    visible_mark: Annotated[str, Field(max_length=20)] = ""
    """Drawn in a corner of every result; nothing where it is empty. Chinese platforms want
    `AI生成`."""
    visible_mark_font: Path | None = None
    """A TrueType or OpenType file with its characters; without one there are Latin letters only."""

    fetch_allow: Annotated[tuple[Network, ...], NoDecode] = ()
    """Private networks the URL fetcher may reach, comma separated: for tests and laptops."""
    consent_required: bool = False
    max_pending_tasks: Annotated[int, Field(ge=1)] = 10_000
    """Tasks of a lane that may wait or run; more are refused."""

    @property
    def demands_keys(self) -> bool:
        return self.require_keys or not ipaddress.ip_address(self.host).is_loopback

    @property
    def reached_at(self) -> str:
        """The host in an address of ours, as this machine reaches it."""
        host = ipaddress.ip_address(self.host)
        if host.is_unspecified:
            host = ipaddress.ip_address("127.0.0.1" if host.version == 4 else "::1")
        return f"[{host}]" if host.version == 6 else str(host)

    @property
    def answered_hosts(self) -> tuple[str, ...]:
        """Names and addresses that requests may give, beside loopback ones."""
        return (*self.public_hosts, self.reached_at)

    @field_validator("host")
    @classmethod
    def _ip_address(cls, host: str) -> str:
        name = "127.0.0.1" if host == "localhost" else host
        try:
            return str(ipaddress.ip_address(name))
        except ValueError:
            raise ValueError("give an IP address of this machine, or 0.0.0.0 for all") from None

    @field_validator("public_hosts", "trusted_proxies", "fetch_allow", mode="before")
    @classmethod
    def _names_and_networks(cls, value: object) -> object:
        return listed(value)

    @field_validator("trusted_proxies")
    @classmethod
    def _not_everybody(cls, networks: tuple[Network, ...]) -> tuple[Network, ...]:
        if any(network.prefixlen == 0 for network in networks):
            raise ValueError("everybody is no proxy: name the addresses of yours")
        return networks
