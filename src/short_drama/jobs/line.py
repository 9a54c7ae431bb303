"""Whose job is next, so that nobody's many delay another's first.

It is one of the owner who has the fewest in the engine; of several such owners, of the one who was
called the longest ago; and of an owner's, the one that came first.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from typing import Self, TypeVar

from short_drama.jobs.job import Job

One = TypeVar("One")


@dataclass(slots=True)
class Line:
    running: list[str] = field(default_factory=list)
    """The owner of each job in the engine, that of the longest there first."""
    called: dict[str, int] = field(default_factory=dict)
    """When an owner was last called: the number of the call."""
    calls: int = 0

    def first(self, waiting: Iterable[One], job_of: Callable[[One], Job]) -> One:
        """Of those that wait, in the order in which they came; not empty."""
        return min(waiting, key=lambda one: self._place(job_of(one).order.owner))

    def begin(self, owner: str) -> None:
        self.calls += 1
        self.running.append(owner)
        self.called[owner] = self.calls

    def end(self, owner: str) -> None:
        self.running.remove(owner)

    def foreseen(self) -> Self:
        """Another like it, to try out on what comes."""
        return replace(self, running=list(self.running), called=dict(self.called))

    def end_longest(self) -> None:
        """Whoever has been in the engine the longest leaves it."""
        del self.running[:1]

    def _place(self, owner: str) -> tuple[int, int]:
        return self.running.count(owner), self.called.get(owner, 0)
