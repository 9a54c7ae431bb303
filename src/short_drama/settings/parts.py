"""What settings are made of."""

import ipaddress
import os
from decimal import Decimal
from pathlib import Path
from typing import Annotated

from pydantic import Field, SecretStr
from pydantic_settings import (
    BaseSettings,
    InitSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from short_drama.settings.credentials import credentials

PREFIX = "SHORT_DRAMA_"

Port = Annotated[int, Field(ge=0, le=65535)]
Network = ipaddress.IPv4Network | ipaddress.IPv6Network
ServiceUrl = Annotated[str, Field(pattern=r"^https?://[^\s]+$")]
Usd = Annotated[Decimal, Field(ge=0, le=1_000_000, decimal_places=6)]
"""In whole millionths."""
HostName = Annotated[str, Field(pattern=r"^[A-Za-z0-9_.-]+$")]


def folder(variable: str, fallback: str) -> Path:
    """A folder of the user's, where the XDG base directory specification puts it."""
    return Path(os.environ.get(variable) or Path.home() / fallback) / "short-drama"


def key(variable: str) -> SecretStr | None:
    """A provider's key under the name that its own tools read."""
    value = os.environ.get(variable)
    return SecretStr(value) if value else None


def listed(value: object) -> object:
    """The parts of a comma-separated string; anything else as it is."""
    if isinstance(value, str):
        return [part.strip() for part in value.split(",") if part.strip()]
    return value


class Group(BaseSettings):
    """Settings that belong together. Seconds, unless a name says otherwise."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, frozen=True, extra="forbid")

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """What is given in code or on the command line wins, then the environment, then files."""
        files = InitSettingsSource(settings_cls, dict(credentials(settings_cls.model_fields)))
        return init_settings, env_settings, files
