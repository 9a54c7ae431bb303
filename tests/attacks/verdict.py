"""Whether the service withstood an attack."""

from dataclasses import dataclass, field
from typing import Final

from tests.process_figures import MIB

MOST_SECONDS: Final = 2.0
"""In which every honest request is answered, on a quiet machine."""
QUIET_SECONDS: Final = 0.1
"""That the slowest honest request takes on such a machine when nobody attacks. Where it takes
longer, attacks may, by as much."""
MOST_GROWTH: Final = 150 * MIB
MOST_LEFT: Final = 50 * MIB
"""Of growth, a while after the attack."""
MOST_LINES: Final = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """Times in seconds, memory in bytes, of the service alone. `quiet` and `slowest`: of honest
    requests, before and during. `wrong`: answers to the attacker that are faults of ours."""

    name: str
    seconds: float
    statuses: dict[str, int]
    wrong: list[str] = field(default_factory=list)
    requests: int
    quiet: float
    slowest: float
    slowest_of: str = ""
    refused: list[str] = field(default_factory=list)
    growth: int
    left: int
    lines: int

    def complaints(self) -> list[str]:
        most = MOST_SECONDS * max(1.0, self.quiet / QUIET_SECONDS)
        found = [f"answered {one}" for one in self.wrong]
        found += [f"an honest client was refused: {one}" for one in self.refused]
        if self.slowest > most:
            found.append(f"{self.slowest_of} took {self.slowest:.1f} s, at most {most:.1f} s")
        if self.growth > MOST_GROWTH:
            found.append(f"memory grew by {self.growth / MIB:.0f} MiB")
        if self.left > MOST_LEFT:
            found.append(f"{self.left / MIB:.0f} MiB did not come back")
        if self.lines >= MOST_LINES:
            found.append(f"{self.lines} lines were logged")
        return found

    def row(self) -> str:
        answers = ", ".join(f"{what}: {count}" for what, count in sorted(self.statuses.items()))
        return (
            f"{'FAILED' if self.complaints() else 'held':<6} {self.name:<41} {self.seconds:5.1f} "
            f"{self.quiet:6.2f} {self.slowest:7.2f} {self.requests:8} "
            f"{self.growth / MIB:+7.0f} {self.left / MIB:+6.0f} {self.lines:5}  {answers}"
        )


HEADING: Final = (
    f"{'':<6} {'attack':<41} {'s':>5} {'quiet':>6} {'slowest':>7} {'requests':>8} "
    f"{'MiB':>7} {'left':>6} {'lines':>5}  answers"
)
