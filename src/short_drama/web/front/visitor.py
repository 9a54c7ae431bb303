"""A connection, as those see it who give out what there is too little of."""

from typing import Protocol

from short_drama.web.front.refusal import Refusal


class Visitor(Protocol):
    """A connection. `address`: its client's, as `Limits.known_as` has it. `since` and `last` are
    when it came into its queue and when it last sent something, by the event loop's clock.
    `body_looked_at`: what had come of its body when it was last looked at."""

    queue: "Queue | None"
    address: str
    since: float
    last: float

    @property
    def is_held_up(self) -> bool:
        """Whether it is we who make it wait."""

    @property
    def has_unsent(self) -> bool:
        """Whether it has yet to take something that we said."""

    body_received: int
    body_looked_at: int
    dawdles: bool
    """Whether its body was slower than it may be for long, between the last two looks."""

    def goes_on(self) -> bool:
        """Whether it found the room for which it waits, and took it."""

    def refuse(self, why: Refusal) -> None: ...

    def end(self) -> None:
        """It has asked nothing for long."""

    def abort(self) -> None: ...


Queue = dict[Visitor, None]
"""In the order in which they came."""
