"""What a check is; `checks` is the table of them."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from short_drama.doctor.finding import Finding
from short_drama.doctor.site import Site

Examine = Callable[[Site], Awaitable[Finding]]
"""Raises a ShortDramaError for what is wrong as well; anything else is a bug of the check."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One entry of the table.

    Args:
        name: what `--only` takes.
        needs: checks without which this one could only repeat what they say.
        fast: whether it is part of the fast form: quick, free, and on this machine or beside it.
    """

    name: str
    examine: Examine
    needs: tuple[str, ...] = ()
    fast: bool = False
