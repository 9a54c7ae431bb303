"""Who does the GPU kinds: a ComfyUI, a hosted one, or the local preview."""

import base64
import os
import re
import shlex
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import unquote, urlsplit

from pydantic import (
    Field,
    PositiveFloat,
    PositiveInt,
    SecretStr,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic_settings import NoDecode

from short_drama.comfyui_api.prompts.camera_words import CameraWords
from short_drama.settings.parts import Group, ServiceUrl, key, listed


class GpuEngineSettings(Group):
    """ComfyUI, hosted or not, its models and workflows."""

    comfyui_url: Annotated[str, Field(pattern=r"^https?://[^\s/?#@][^\s?#@]*$")] | None = Field(
        default_factory=lambda: os.environ.get("COMFYUI_URL")
    )
    """The ComfyUI that does the GPU kinds, for instance http://127.0.0.1:8188, or a path of the
    reverse proxy in front of it; without one they are done by the local preview. COMFYUI_URL is
    read as well."""
    comfyui_token: Annotated[SecretStr, Field(min_length=1)] | None = None
    """A bearer token that its proxy asks for."""
    comfyui_credentials: SecretStr | None = None
    """Or user:password, for basic authentication; may stand in the URL as well."""
    comfyui_models: Annotated[dict[str, str], NoDecode] = Field(default_factory=dict)
    """Model files that replace a workflow's own, as role=file, comma separated."""
    comfyui_model_set: str = "auto"
    """The models that do the GPU kinds: a set of docs/workflows.md; auto: what suits the GPU."""
    comfyui_camera_words: CameraWords | None = None
    """How a LoRA for camera moves that comfyui_models names is told of them."""
    comfyui_warm_up: bool = True
    """Whether each workflow runs once, with one step, before the service is ready."""
    comfyui_stuck_seconds: PositiveFloat = 300.0
    """Without any progress while it has work, after which ComfyUI counts as stuck."""
    comfyui_restart_command: str | None = None
    """Restarts ComfyUI when it is stuck or fails in prompts of our own; run without a shell."""
    comfyui_swap_wait_seconds: PositiveFloat = 120.0
    """The longest a job is passed over by others whose models are already loaded."""
    comfyui_previews: bool = False
    """Whether unfinished pictures are shown; older versions of ComfyUI must run with
    --preview-method for it, which has been seen to crash them."""
    comfyui_folder: Path | None = None
    """ComfyUI's base folder, when it is on this machine: results that were published are deleted
    there after an hour. Nothing else ever deletes them."""
    comfy_v2_url: ServiceUrl | None = None
    """A server of Comfy API v2 that does the GPU kinds instead of a ComfyUI of one's own:
    https://cloud.comfy.org, a deployment, or a comfy-api-proxy such as http://127.0.0.1:8189."""
    comfy_v2_key: SecretStr | None = Field(
        default_factory=lambda: key("COMFY_API_KEY"), min_length=1
    )
    """Its API key, or the proxy's token. COMFY_API_KEY is read as well."""
    comfy_v2_in_flight: PositiveInt = 4
    """Jobs given to it at a time; it queues by itself what it does not run at once."""
    workflows_dir: Path | None = None
    """More workflows: each NAME-api.json with its NAME.toml becomes a kind of task."""
    kinds_off: Annotated[frozenset[str], NoDecode] = frozenset()
    """Kinds that this machine's API services do not do, comma separated."""

    @model_validator(mode="before")
    @classmethod
    def _take_credentials_out_of_the_url(cls, values: dict[str, Any]) -> dict[str, Any]:
        """An address is shown and logged. A setting of their own counts more."""
        url = values.get("comfyui_url") or os.environ.get("COMFYUI_URL") or ""
        scheme, separator, rest = url.partition("://")
        given, at, _ = rest.partition("/")[0].rpartition("@")
        if not at:
            return values
        user, _, password = given.partition(":")
        return {
            "comfyui_credentials": f"{unquote(user)}:{unquote(password)}",
            **values,
            "comfyui_url": f"{scheme}{separator}{rest[len(given) + 1 :]}",
        }

    @field_validator("comfyui_url")
    @classmethod
    def _address(cls, url: str | None) -> str | None:
        if url is not None:
            parts = urlsplit(url)
            if not parts.hostname or parts.port == 0:  # raises ValueError for what is no port
                raise ValueError("give http://host:port")
        return url

    @field_validator("comfyui_token", "comfy_v2_key")
    @classmethod
    def _fits_into_a_header(cls, given: SecretStr | None) -> SecretStr | None:
        if given is not None and not re.fullmatch(r"[!-~]+", given.get_secret_value()):
            raise ValueError("blanks, line ends and letters beyond ASCII do not belong in it")
        return given

    @field_validator("comfyui_credentials")
    @classmethod
    def _one_way_in(cls, given: SecretStr | None, info: ValidationInfo) -> SecretStr | None:
        if given is not None and given.get_secret_value().find(":") < 1:
            raise ValueError("give user:password")
        if given is not None and info.data.get("comfyui_token") is not None:
            raise ValueError("there is a token already; a proxy asks for one of them")
        return given

    @field_validator("kinds_off", mode="before")
    @classmethod
    def _kinds(cls, value: object) -> object:
        return listed(value)

    @field_validator("comfy_v2_url")
    @classmethod
    def _one_engine(cls, url: str | None, others: ValidationInfo) -> str | None:
        if url is not None and others.data.get("comfyui_url") is not None:
            raise ValueError(
                "SHORT_DRAMA_COMFYUI_URL (or COMFYUI_URL) names another engine for the GPU kinds; "
                "unset one of them"
            )
        return url

    @field_validator("comfyui_restart_command")
    @classmethod
    def _command(cls, command: str | None) -> str | None:
        if command is not None and not shlex.split(command):  # raises ValueError for open quotes
            raise ValueError("give a command")
        return command

    @field_validator("comfyui_models", mode="before")
    @classmethod
    def _roles(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        pairs = [part.partition("=") for part in value.split(",") if part.strip()]
        if not all(role.strip() and file.strip() for role, _, file in pairs):
            raise ValueError("give role=file, comma separated")
        return {role.strip(): file.strip() for role, _, file in pairs}

    @property
    def comfyui_authorization(self) -> str | None:
        """The header of that name for the proxy in front of ComfyUI."""
        if self.comfyui_token is not None:
            return f"Bearer {self.comfyui_token.get_secret_value()}"
        if self.comfyui_credentials is not None:
            given = self.comfyui_credentials.get_secret_value().encode()
            return f"Basic {base64.b64encode(given).decode()}"
        return None
