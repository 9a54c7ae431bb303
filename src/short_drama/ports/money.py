"""What is spent, and what is held for it."""

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Protocol

from short_drama.domain.spending import TaskSpend


class StaleSpend(Exception):
    """Somebody else has written the page since it was read."""


class OverLimit(Exception):
    """The page would count more than `account` allows; nothing was written."""

    def __init__(self, account: str) -> None:
        super().__init__(account)
        self.account = account


class SpendLedger(Protocol):
    """What each task may cost and has cost, a page each, and sums of all pages by account: a name
    such as `day/2026-11-23` or `label/show=Nightfall`. May raise Unavailable; a page may then have
    been written nevertheless. Pages of a newer release are as its records are: reading or writing
    one raises NewerFormat, and lists go on without it."""

    async def read(self, task_id: str) -> TaskSpend | None: ...

    async def write(self, page: TaskSpend, *, limits: Mapping[str, int] | None = None) -> TaskSpend:
        """Write the page over the version that it was made from, and count in each account what
        it counts more or less than before, all or nothing; the answer is the page with its new
        version, and when that was written.

        `limits`: of accounts, in millionths of a US dollar. Raises OverLimit when the page adds to
        an account that would then pass its limit; of several at once no more succeed than the
        limit allows. What is not more than before is never refused. Raises StaleSpend.
        """
        ...

    async def total(self, account: str) -> int: ...

    async def open(self, *, limit: int, after: TaskSpend | None = None) -> Sequence[TaskSpend]:
        """Pages that are open, those written longest ago first, at most `limit`; may lag. `after`:
        the last one of those that were looked at before, as it was then."""
        ...

    def written_since(self, moment: float) -> AsyncIterator[TaskSpend]:
        """Every page that was last written at that time or later, once each, in any order; may
        lag."""
        ...
