"""Configuration: one frozen class, read once from SHORT_DRAMA_* variables and the command line.

A variable with our prefix that no setting reads is a typo, and refused at start.
"""

import base64
import ipaddress
import os
import re
import shlex
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import unquote, urlsplit
from zoneinfo import ZoneInfo

from pydantic import (
    Field,
    PositiveFloat,
    PositiveInt,
    SecretStr,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from short_drama.comfyui_api.prompts.camera_words import CameraWords
from short_drama.domain.errors import InvalidRequest
from short_drama.domain.kinds import Lane

PREFIX = "SHORT_DRAMA_"

Port = Annotated[int, Field(ge=0, le=65535)]
Network = ipaddress.IPv4Network | ipaddress.IPv6Network
ServiceUrl = Annotated[str, Field(pattern=r"^https?://[^\s]+$")]
Usd = Annotated[Decimal, Field(ge=0, le=1_000_000, decimal_places=6)]
"""In whole millionths."""
HostName = Annotated[str, Field(pattern=r"^[A-Za-z0-9_.-]+$")]


def _folder(variable: str, fallback: str) -> Path:
    """A folder of the user's, where the XDG base directory specification puts it."""
    return Path(os.environ.get(variable) or Path.home() / fallback) / "short-drama"


def _key(variable: str) -> SecretStr | None:
    """A provider's key under the name that its own tools read."""
    value = os.environ.get(variable)
    return SecretStr(value) if value else None


class Settings(BaseSettings):
    """Seconds, unless a name says otherwise."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, frozen=True, extra="forbid")

    backend: Literal["embedded", "aws"] = "embedded"
    """Where tasks, queues and assets are kept."""
    data_dir: Path = Field(default_factory=lambda: _folder("XDG_DATA_HOME", ".local/share"))
    """Tasks, queues and assets of the embedded backend."""
    cache_dir: Path = Field(default_factory=lambda: _folder("XDG_CACHE_HOME", ".cache"))
    """Model files; can be fetched again at any time."""

    host: str = "127.0.0.1"
    public_hosts: Annotated[tuple[HostName, ...], NoDecode] = ()
    """Names that requests may give beside loopback addresses and localhost, comma separated: those
    of a reverse proxy."""
    orchestrator_port: Port = 8080
    cpu_orchestrator_port: Port = 8081
    comfyui_api_port: Port = 8000
    paid_api_port: Port = 8001
    comfyui_api_url: str | None = None
    """Where the GPU adapter finds its API service; default: on this host."""
    paid_api_url: str | None = None
    assets_url: str | None = None
    """Where clients read assets; default: CloudFront, if there is one, else the GPU
    orchestrator's /assets."""

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
    comfyui_models: Annotated[dict[str, str], NoDecode] = {}
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
        default_factory=lambda: _key("COMFY_API_KEY"), min_length=1
    )
    """Its API key, or the proxy's token. COMFY_API_KEY is read as well."""
    comfy_v2_in_flight: PositiveInt = 4
    """Jobs given to it at a time; it queues by itself what it does not run at once."""
    workflows_dir: Path | None = None
    """More workflows: each NAME-api.json with its NAME.toml becomes a kind of task."""
    kinds_off: Annotated[frozenset[str], NoDecode] = frozenset()
    """Kinds that this machine's API services do not do, comma separated."""

    dashscope_api_key: SecretStr | None = Field(
        default_factory=lambda: _key("DASHSCOPE_API_KEY"), min_length=1
    )
    """For Qwen3-VL, which finds faces; without it the local engine does. DASHSCOPE_API_KEY is read
    as well."""
    dashscope_base_url: ServiceUrl = "https://dashscope-intl.aliyuncs.com/compatible-mode/v1"
    """Keys belong to a region, and each region has its own."""
    qwen_model: str = "qwen3-vl-plus"
    qwen_in_flight: PositiveInt = 8
    qwen_per_minute: PositiveInt = 600
    """Calls, over all of this process's."""
    qwen_read_seconds: PositiveFloat = 120.0
    """How long a detection's answer is waited for; it takes seconds."""
    ark_api_key: SecretStr | None = Field(default_factory=lambda: _key("ARK_API_KEY"), min_length=1)
    """For SeeDream, which makes faces; without it the local engine does. ARK_API_KEY is read as
    well."""
    ark_base_url: ServiceUrl = "https://ark.ap-southeast.bytepluses.com/api/v3"
    seedream_model: str = "seedream-4-0-250828"
    seedream_endpoint_model: str | None = None
    """The model behind the `ep-...` endpoint that seedream_model is, for its sizes and prices."""
    seedream_watermark: bool = False
    """The provider's visible mark in a corner; there is one in whole frames only."""
    seedream_result: Literal["pasted", "frame"] = "pasted"
    """What a swap by SeeDream returns: the still with the face pasted in, or all of its frame."""
    seedream_in_flight: PositiveInt = 8
    seedream_per_minute: PositiveInt = 300
    seedream_read_seconds: PositiveFloat = 300.0
    """How long a picture is waited for: 50 seconds have been seen, of 5.0 pro two minutes, and the
    provider's own client waits for 600."""
    face_detector: Literal["auto", "local", "qwen"] = "auto"
    """Who finds faces; auto: Qwen3-VL with a key, else the local engine."""
    face_generator: Literal["auto", "local", "seedream"] = "auto"
    """Who makes faces; auto: SeeDream with a key, else the local engine."""
    mask_expand: Annotated[float, Field(ge=1.0, le=2.0)] = 1.0
    """How much larger a mask is than the smallest ellipse around Qwen3-VL's box of a face."""
    mask_feather: Annotated[float, Field(ge=0.0, le=0.5)] = 0.0
    """Width of a mask's soft rim, as a share of its shorter half axis; 0 is a hard edge."""
    prices: Path | None = None
    """A file of prices, in the form of ours, that adds to them or replaces some."""
    budget_per_day_usd: Usd | None = None
    """What providers may be paid in a day; a task that may cost more is refused."""
    budget_per_month_usd: Usd | None = None
    """And in a calendar month."""
    budget_per_label_usd: Annotated[dict[str, Usd], NoDecode] = {}
    """What tasks with a label may cost in all, as name=value=usd, comma separated; a value of *
    gives each value of that label as much."""
    budget_time_zone: ZoneInfo = ZoneInfo("UTC")
    """Whose days and months those are, for instance Asia/Shanghai: best that of the bills."""
    budget_waits: bool = False
    """Whether a call of an accepted task that no longer fits waits for the next day or month,
    rather than fail its task."""

    bucket: str = "short-drama-assets"
    """The one bucket that s3:// references may name; on AWS, where assets are kept."""
    table: str = "task_store"
    name_prefix: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{0,40}$")] = ""
    """Before the names of queues and table, for several stages in one AWS account."""
    cloudfront_domain: Annotated[str, Field(pattern=r"^[A-Za-z0-9.-]+(:\d+)?$")] | None = None
    """Where clients read assets of the AWS backend."""
    aws_region: str | None = Field(default_factory=lambda: os.environ.get("AWS_REGION"))
    secret: Annotated[SecretStr, Field(min_length=32)] | None = None
    """Makes task ids of idempotency keys unguessable: one for all orchestrators on AWS; the
    embedded backend makes its own."""

    fetch_allow: Annotated[tuple[Network, ...], NoDecode] = ()
    """Private networks the URL fetcher may reach, comma separated: for tests and laptops."""
    consent_required: bool = False

    lease_seconds: PositiveFloat = 60.0
    visibility_seconds: PositiveFloat | None = None
    """How long a message that was received stays hidden; default: as its queue says."""
    drain_seconds: PositiveFloat = 20.0
    poll_seconds: PositiveFloat | None = None
    """One long poll of the queue; default: 1, for the embedded queue wakes its consumers itself,
    and 20 on AWS, where each poll costs money."""
    progress_seconds: PositiveFloat | None = None
    """The least time between two progress writes of one task; default: 1, and 20 on AWS."""
    sweep_seconds: PositiveFloat = 2.0
    dead_letter_seconds: PositiveFloat = 30.0
    """Between two looks at the dead-letter queues."""
    gpu_parallel: PositiveInt = 1
    """Jobs in the GPU engine at a time; the adapter holds one message more, so that the next job
    is prepared meanwhile."""
    gpu_lookahead: PositiveInt | None = None
    """Messages the GPU adapter holds at a time, among which the service chooses the order; default:
    8 with ComfyUI, else one more than gpu_parallel. Less where many machines share a queue."""
    cpu_parallel: PositiveInt | None = None
    """Default: 2, and 16 with providers, which have limits of their own."""

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

    @field_validator("public_hosts", "kinds_off", "fetch_allow", mode="before")
    @classmethod
    def _listed(cls, value: object) -> object:
        if isinstance(value, str):
            return [part.strip() for part in value.split(",") if part.strip()]
        return value

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

    @field_validator("budget_per_label_usd", mode="before")
    @classmethod
    def _budgets(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        parts = [part.rpartition("=") for part in value.split(",") if part.strip()]
        if not all("=" in label.strip("=") for label, _, _ in parts):
            raise ValueError("give name=value=usd, comma separated")
        return {label.strip(): usd.strip() for label, _, usd in parts}

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

    @property
    def models_dir(self) -> Path:
        return self.cache_dir / "models"

    @property
    def samples_dir(self) -> Path:
        return self.cache_dir / "samples"

    @property
    def detector(self) -> Literal["local", "qwen"]:
        if self.face_detector != "auto":
            return self.face_detector
        return "local" if self.dashscope_api_key is None else "qwen"

    @property
    def generator(self) -> Literal["local", "seedream"]:
        if self.face_generator != "auto":
            return self.face_generator
        return "local" if self.ark_api_key is None else "seedream"

    @property
    def pays(self) -> bool:
        """Whether any step of the face kinds is a provider's."""
        return self.detector == "qwen" or self.generator == "seedream"

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
        raise InvalidRequest(f"{name}: {first['msg']}", field=name) from None
