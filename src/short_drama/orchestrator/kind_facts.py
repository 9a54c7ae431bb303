"""What the settings say of a kind, for whoever wants to know before a task is submitted."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class KindFacts:
    """`models`: of providers, or the sets of a ComfyUI's that may do it; empty where local engines
    do. `most_micros`: what a task's calls cost at most, in millionths of a US dollar."""

    models: Sequence[str] = ()
    most_micros: int = 0
