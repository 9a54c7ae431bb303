"""What calls cost, in millionths of a US dollar, from a table with source and date."""

import math
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from importlib import resources
from pathlib import Path
from typing import Annotated, Self, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from short_drama.domain.errors import InvalidRequest

Usd = Annotated[float, Field(ge=0.0, le=1000.0)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    source: Annotated[str, Field(min_length=1)]
    date: date


class _Tokens(_Strict):
    """Per million."""

    input: Usd
    output: Usd

    @property
    def height(self) -> float:
        return self.output


class _Images(_Strict):
    """Per image."""

    generated: Usd
    input: Usd = 0.0

    @property
    def height(self) -> float:
        return self.generated


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    tokens: Annotated[dict[str, _Tokens], Field(min_length=1)]
    images: Annotated[dict[str, _Images], Field(min_length=1)]


Price = TypeVar("Price", _Tokens, _Images)


@dataclass(frozen=True, slots=True)
class Cost:
    micros: int
    """Millionths of a US dollar, rounded up."""
    estimated: bool = False
    """Whether the model is not in the table, and the dearest one's price was taken."""


class Prices:
    """Made by `load`."""

    def __init__(self, table: _Table) -> None:
        self._table = table

    @classmethod
    def load(cls, path: Path | None = None) -> Self:
        """Our table, or the one at `path`. Raises InvalidRequest that names file and key."""
        source = path or resources.files(__package__) / "prices.toml"
        name = str(path or "prices.toml")
        try:
            return cls(_Table.model_validate(tomllib.loads(source.read_text("utf-8"))))
        except ValidationError as error:
            first = error.errors()[0]
            key = ".".join(str(part) for part in first["loc"])
            raise InvalidRequest(
                f"{name}: {key}: {first['msg']}", field="SHORT_DRAMA_PRICES"
            ) from None
        except (OSError, ValueError) as error:
            raise InvalidRequest(f"{name}: {error}", field="SHORT_DRAMA_PRICES") from None

    def of_tokens(self, model: str, *, inputs: int, outputs: int) -> Cost:
        price, estimated = _find(self._table.tokens, model)
        return _cost((inputs * price.input + outputs * price.output) / 1e6, estimated)

    def of_images(self, model: str, *, generated: int, inputs: int) -> Cost:
        price, estimated = _find(self._table.images, model)
        return _cost(generated * price.generated + inputs * price.input, estimated)


def _cost(usd: float, estimated: bool) -> Cost:
    # A millionth is more than the noise of floats, which must not round up.
    return Cost(math.ceil(round(usd * 1e6, 3)), estimated)


def _find(table: Mapping[str, Price], model: str) -> tuple[Price, bool]:
    """The price of the longest name that the model's begins with: models have dated versions, and
    their makers' names before them."""
    name = re.sub(r"^(doubao|dola)-", "", model)
    names = [known for known in table if name == known or name.startswith(f"{known}-")]
    if names:
        return table[max(names, key=len)], False
    return max(table.values(), key=lambda price: price.height), True
