"""Configuration: one frozen class, read once from SHORT_DRAMA_* variables and the command line.

A variable with our prefix that no setting reads is a typo, and refused at start.
"""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, SecretStr, ValidationError

from short_drama.domain.errors import InvalidRequest
from short_drama.domain.kinds import Lane
from short_drama.settings.aws import AwsSettings, secrets_in_environment
from short_drama.settings.costs import CostSettings
from short_drama.settings.front import FrontSettings
from short_drama.settings.gpu_engine import GpuEngineSettings
from short_drama.settings.logging import LogSettings
from short_drama.settings.pace import PaceSettings
from short_drama.settings.parts import PREFIX, folder
from short_drama.settings.providers import ProviderSettings
from short_drama.settings.service import ServiceSettings
from short_drama.settings.shares import ShareSettings
from short_drama.settings.storage import StorageSettings


class Settings(
    ServiceSettings,
    FrontSettings,
    GpuEngineSettings,
    ProviderSettings,
    AwsSettings,
    PaceSettings,
    CostSettings,
    LogSettings,
    StorageSettings,
    ShareSettings,
):
    """Everything that can be set, and what follows from several of them."""

    backend: Literal["embedded", "aws"] = "embedded"
    """Where tasks, queues and assets are kept."""
    data_dir: Path = Field(default_factory=lambda: folder("XDG_DATA_HOME", ".local/share"))
    """Tasks, queues and assets of the embedded backend."""
    cache_dir: Path = Field(default_factory=lambda: folder("XDG_CACHE_HOME", ".cache"))
    """Model files; can be fetched again at any time."""

    @property
    def models_dir(self) -> Path:
        return self.cache_dir / "models"

    @property
    def samples_dir(self) -> Path:
        return self.cache_dir / "samples"

    @property
    def logs_dir(self) -> Path | None:
        """Where lines are kept in files; None where they are not."""
        if self.log_folder == "auto":
            return self.data_dir / "logs" if self.backend == "embedded" else None
        return None if self.log_folder == "none" else Path(self.log_folder)

    @property
    def hidden_values(self) -> list[str]:
        """What must never be seen: every secret, of user:password the password as well, and those
        of AWS."""
        found = [getattr(self, name) for name in type(self).model_fields]
        secrets = [one.get_secret_value() for one in found if isinstance(one, SecretStr)]
        passwords = [secret.partition(":")[2] for secret in secrets]
        return [one for one in (*secrets, *passwords, *secrets_in_environment()) if one]

    def parallel(self, lane: Lane) -> int:
        """Jobs in the lane's engine at a time. Those elsewhere do many, as many as are let in."""
        if lane is Lane.GPU:
            return self.gpu_parallel if self.comfy_v2_url is None else self.comfy_v2_in_flight
        if self.cpu_parallel is not None:
            return self.cpu_parallel
        return 16 if self.pays else 2

    def deliveries(self, lane: Lane) -> int:
        """Messages that the lane's adapter holds at a time."""
        if lane is Lane.GPU and self.gpu_lookahead is not None:
            return self.gpu_lookahead
        with_comfyui = lane is Lane.GPU and self.comfyui_url is not None
        return 8 if with_comfyui else self.parallel(lane) + 1

    def visibility(self, lane: Lane) -> float:
        return self.visibility_seconds or lane.visibility_seconds

    @property
    def poll(self) -> float:
        return self.poll_seconds or (20.0 if self.backend == "aws" else 1.0)

    @property
    def progress(self) -> float:
        return self.progress_seconds or (20.0 if self.backend == "aws" else 1.0)


def load(overrides: Mapping[str, Any] | None = None) -> Settings:
    """Read the environment; `overrides` (the command line) win, None meaning not given.

    Raises InvalidRequest, naming the setting.
    """
    known = {PREFIX + name.upper() for name in Settings.model_fields}
    unknown = sorted(
        name for name in os.environ if name.upper().startswith(PREFIX) and name.upper() not in known
    )
    if unknown:
        raise InvalidRequest(
            f"unknown settings: {', '.join(unknown)}",
            fix=f"Unset them; the settings are: {', '.join(sorted(known))}.",
        )
    given = {name: value for name, value in (overrides or {}).items() if value is not None}
    try:
        return Settings(**given)
    except ValidationError as error:
        first = error.errors()[0]
        name = PREFIX + "_".join(str(part) for part in first["loc"][:1]).upper()
        raise InvalidRequest(
            f"{name}: {first['msg'].removeprefix('Value error, ')}", field=name
        ) from None
