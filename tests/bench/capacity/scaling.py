"""How many GPU instances are wanted: what the template's two policies make of the backlog.

Target tracking is AWS's own. What is known of it (its user guide): it acts on alarms of three
minutes above the target and of fifteen minutes below nine tenths of it, each minute for as long as
they last; it does not take instances away while one is warming up.
"""

import math
from dataclasses import dataclass, field
from typing import Final

ABOVE_MINUTES: Final = 3
BELOW_MINUTES: Final = 15
BELOW_SHARE: Final = 0.9


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """
    Args:
        target: messages, waiting or in flight, for each instance.
        most: instances.
        least: instances; those are never stopped.
        zero_minutes: without any message before the last instance goes; 0 is what the template's
            policy does.
        warm_up: seconds in which a new instance keeps all from being taken away.
    """

    target: float
    most: int
    least: int = 0
    zero_minutes: int = 0
    warm_up: float = 600.0


@dataclass(slots=True)
class Scaler:
    """Asked once a minute."""

    policy: Policy
    wanted: int = 0
    _above: int = field(default=0, init=False)
    _below: int = field(default=0, init=False)
    _idle: int = field(default=0, init=False)

    def minute(self, backlog: int, in_service: int, *, youngest: float) -> int:
        """Instances wanted from now on.

        Args:
            backlog: messages, as of the minute before.
            in_service: instances that count, those that still boot among them.
            youngest: seconds since the last of them was launched.
        """
        policy = self.policy
        if self.wanted == 0 and backlog > 0:  # the step policy
            self.wanted = min(1, policy.most)
            return self.wanted
        load = backlog / in_service if in_service else policy.target
        self._above = self._above + 1 if load > policy.target else 0
        self._below = self._below + 1 if load < BELOW_SHARE * policy.target else 0
        self._idle = 0 if backlog else self._idle + 1
        fits = math.ceil(in_service * load / policy.target)
        if self._above >= ABOVE_MINUTES:
            self.wanted = min(max(self.wanted, fits), policy.most)
        elif self._below >= BELOW_MINUTES and youngest >= policy.warm_up:
            least = policy.least if self._idle > policy.zero_minutes else max(policy.least, 1)
            self.wanted = min(self.wanted, max(fits, least))
        return self.wanted
