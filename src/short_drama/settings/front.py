"""What clients may take of our servers before anybody reads what they say."""

from typing import Annotated

from pydantic import Field

from short_drama.settings.parts import Group

Seconds = Annotated[float, Field(gt=0, le=3600)]


class FrontSettings(Group):
    """For each process, over all of its ports."""

    connections: int = Field(10_000, ge=8)
    """At a time; at most three quarters of the descriptors that the process may have."""
    connections_per_address: int | None = Field(None, ge=1)
    """Of one client's address; default: a tenth of all, and no limit for loopback addresses, from
    which everybody comes behind a reverse proxy."""
    head_seconds: Seconds = 10.0
    """In which a request's head has to arrive."""
    body_seconds: Seconds = 30.0
    """After which a body may be no slower than `body_rate_kib`."""
    body_rate_kib: int = Field(32, ge=1)
    bodies_mib: int = Field(64, ge=24)
    """Of request bodies that are arriving or being worked on."""
    keep_alive_seconds: int = Field(75, ge=1, le=3600)
    """For which a connection may be idle: longer than reverse proxies keep theirs."""
