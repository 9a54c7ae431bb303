"""Who does the face kinds, and what that may cost."""

from pathlib import Path
from typing import Annotated, Literal
from zoneinfo import ZoneInfo

from pydantic import Field, PositiveFloat, PositiveInt, SecretStr, field_validator
from pydantic_settings import NoDecode

from short_drama.settings.parts import Group, ServiceUrl, Usd, key


class ProviderSettings(Group):
    """Providers of the face kinds, their limits, prices and budgets."""

    dashscope_api_key: SecretStr | None = Field(
        default_factory=lambda: key("DASHSCOPE_API_KEY"), min_length=1
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
    ark_api_key: SecretStr | None = Field(default_factory=lambda: key("ARK_API_KEY"), min_length=1)
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
    budget_per_label_usd: Annotated[dict[str, Usd], NoDecode] = Field(default_factory=dict)
    """What tasks with a label may cost in all, as name=value=usd, comma separated; a value of *
    gives each value of that label as much."""
    budget_time_zone: ZoneInfo = ZoneInfo("UTC")
    """Whose days and months those are, for instance Asia/Shanghai: best that of the bills."""
    budget_waits: bool = False
    """Whether a call of an accepted task that no longer fits waits for the next day or month,
    rather than fail its task."""

    @field_validator("budget_per_label_usd", mode="before")
    @classmethod
    def _budgets(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        parts = [part.rpartition("=") for part in value.split(",") if part.strip()]
        if not all("=" in label.strip("=") for label, _, _ in parts):
            raise ValueError("give name=value=usd, comma separated")
        return {label.strip(): usd.strip() for label, _, usd in parts}

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
