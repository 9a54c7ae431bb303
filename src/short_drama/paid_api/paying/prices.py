"""What calls, machines and services cost, from a table with source and date.

Prices are decimals as they are written, and amounts of calls whole millionths of a US dollar,
rounded up: no float takes part in any of it.
"""

import math
import re
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from importlib import resources
from pathlib import Path
from typing import Annotated, Any, Self, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    NonNegativeInt,
    PositiveInt,
    ValidationError,
)

from short_drama.domain.errors import InvalidRequest

SETTING = "SHORT_DRAMA_PRICES"
MILLION = 1_000_000


def _ascending(bounds: tuple[int, int]) -> tuple[int, int]:
    if bounds[0] > bounds[1]:
        raise ValueError("give the least first, then the most")
    return bounds


Usd = Annotated[Decimal, Field(ge=0, le=1000)]
Bounds = Annotated[tuple[NonNegativeInt, NonNegativeInt], AfterValidator(_ascending)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class _Sourced(_Strict):
    source: Annotated[str, Field(min_length=1)]
    date: date


class _Tokens(_Sourced):
    """Per million."""

    input: Usd
    output: Usd


class _Tier(_Strict):
    """Of pictures with so many pixels, both bounds included."""

    pixels: Bounds
    generated: Usd


class _Images(_Sourced):
    """Per image.

    `generated` is the price outside of all `tiers`; `input` that of each picture that goes in,
    after the first `free_inputs`.
    """

    generated: Usd
    tiers: tuple[_Tier, ...] = ()
    input: Usd = Decimal(0)
    free_inputs: NonNegativeInt = 0

    def of_one(self, pixels: int | None) -> Decimal:
        """Of a picture whose pixels nobody tells, the dearest."""
        if pixels is None:
            return max([self.generated, *(tier.generated for tier in self.tiers)])
        fitting = (t.generated for t in self.tiers if t.pixels[0] <= pixels <= t.pixels[1])
        return next(fitting, self.generated)


class Instance(_Sourced):
    """A machine and its volume, of so many gigabytes."""

    per_hour: Usd
    volume_gb: NonNegativeInt = 0


class _Service(_Sourced):
    """`usd` for `per` of what the entry's name says."""

    usd: Usd
    per: PositiveInt = 1


class _Table(_Strict):
    tokens: dict[str, _Tokens] = {}
    images: dict[str, _Images] = {}
    instances: dict[str, Instance] = {}
    services: dict[str, _Service] = {}

    def with_own(self, own: Self) -> Self:
        tables = {
            name: {**getattr(self, name), **getattr(own, name)} for name in type(self).model_fields
        }
        return self.model_copy(update=tables)


Price = TypeVar("Price", _Tokens, _Images)


@dataclass(frozen=True, slots=True)
class Cost:
    micros: int
    """Millionths of a US dollar, rounded up."""
    estimated: bool = False
    """Whether what it depends on is not known, and the dearest was taken that it may be."""


class Prices:
    """Made by `load`.

    A model is found by its name, without its maker's before it and a date after it. Where a call
    is known by several names, they are tried in order.
    """

    def __init__(self, table: _Table) -> None:
        self._table = table

    @classmethod
    def load(cls, path: Path | None = None) -> Self:
        """Our table; entries of the one at `path` are added, or replace ours of the same name.
        Raises InvalidRequest that names file and key."""
        table = _read(resources.files(__package__).joinpath("prices.toml").read_bytes, "ours")
        if path is None:
            return cls(table)
        return cls(table.with_own(_read(path.read_bytes, str(path))))

    def of_tokens(self, *models: str, inputs: int, outputs: int) -> Cost:
        def usd(price: _Tokens) -> Decimal:
            return (inputs * price.input + outputs * price.output) / MILLION

        return _cost(self._table.tokens, models, usd)

    def of_images(
        self, *models: str, generated: int, inputs: int, pixels: int | None = None
    ) -> Cost:
        """`pixels`: of each picture that was made; None where nobody tells."""

        def usd(price: _Images) -> Decimal:
            charged = max(inputs - price.free_inputs, 0)
            return generated * price.of_one(pixels) + charged * price.input

        cost = _cost(self._table.images, models, usd)
        price = _find(self._table.images, models[0])
        unsure = pixels is None and price is not None and bool(price.tiers)
        return Cost(cost.micros, cost.estimated or unsure)

    def instance(self, name: str) -> Instance:
        """By its exact name. Raises InvalidRequest with the lines that are missing."""
        try:
            return self._table.instances[name]
        except KeyError:
            lines = _lines("instances", name, "per_hour = 0.526  # US dollars\nvolume_gb = 100")
            raise InvalidRequest(
                f"nobody knows what an instance {name!r} costs",
                field=SETTING,
                fix=f"Put its price into a file that {SETTING} names, such as:\n{lines}",
            ) from None

    def service(self, name: str) -> Decimal:
        """US dollars for one of what the name says. Raises KeyError for a name that is not ours."""
        price = self._table.services[name]
        return price.usd / price.per

    def require_tokens(self, model: str) -> None:
        """Raises InvalidRequest with the lines that are missing, unless the model has a price."""
        if _find(self._table.tokens, model) is None:
            raise _unknown(model, "tokens", "input = 0.20  # US dollars per million\noutput = 1.60")

    def require_images(self, model: str) -> None:
        """As `require_tokens`."""
        if _find(self._table.images, model) is not None:
            return
        hint = ""
        if model.startswith("ep-"):
            hint = "Name the model behind it in SHORT_DRAMA_SEEDREAM_ENDPOINT_MODEL. Or: "
        raise _unknown(model, "images", "generated = 0.03  # US dollars per picture", hint=hint)


def _read(read: Callable[[], bytes], name: str) -> _Table:
    try:
        return _Table.model_validate(tomllib.loads(read().decode(), parse_float=Decimal))
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        raise InvalidRequest(f"{name}: {key}: {_words(first)}", field=SETTING) from None
    except (OSError, ValueError) as error:
        raise InvalidRequest(f"{name}: {error}", field=SETTING) from None


def _words(fault: Mapping[str, Any]) -> str:
    if fault["type"] == "extra_forbidden" and len(fault["loc"]) == 1:
        return 'the tables are [tokens], [images], [instances] and [services], each with ."NAME"'
    return str(fault["msg"])


def _unknown(model: str, table: str, prices: str, *, hint: str = "") -> InvalidRequest:
    lines = _lines(table, model, prices)
    return InvalidRequest(
        f"there is a budget, and nobody knows what the model {model!r} costs",
        field=SETTING,
        fix=f"{hint}Put its price into a file that {SETTING} names, such as:\n{lines}",
    )


def _lines(table: str, name: str, prices: str) -> str:
    return f'[{table}."{name}"]\n{prices}\nsource = "our contract"\ndate = 2026-01-31'


def _cost(
    table: Mapping[str, Price], models: tuple[str, ...], usd: Callable[[Price], Decimal]
) -> Cost:
    for number, model in enumerate(models):
        price = _find(table, model)
        if price is not None:
            return Cost(_micros(usd(price)), estimated=number > 0)
    return Cost(_micros(max(usd(price) for price in table.values())), estimated=True)


def _micros(usd: Decimal) -> int:
    return math.ceil(usd * MILLION)


def _find(table: Mapping[str, Price], model: str) -> Price | None:
    """By the longest name that the model's is, but for its date or version."""
    name = re.sub(r"^(doubao|dola)-", "", model)
    names = [
        known
        for known in table
        if name.startswith(known) and re.fullmatch(r"(-\d+)*(-latest)?", name[len(known) :])
    ]
    return table[max(names, key=len)] if names else None
