"""A whole run, as docs/benchmarks/peers.json keeps it: all that the page says is from there."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

from tests.bench.peers.figures import Sample
from tests.bench.peers.noise import Noise


@dataclass(frozen=True, slots=True)
class Told:
    """What the page says of a system: its title, and how it keeps what it has accepted."""

    title: str
    durable: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """
    Args:
        facts: sentences' parts about the machine and the run, by name.
        versions: by package or program.
        systems: in the order of the page.
        noise: in the order of time, one before and one after each sample.
    """

    facts: Mapping[str, str]
    versions: Mapping[str, str]
    systems: Mapping[str, Told]
    noise: Sequence[Noise]
    samples: Sequence[Sample]

    def to_json(self) -> str:
        """One line for each sample, so that two runs can be compared by eye."""
        told = asdict(self)
        noise = [[each.cpu_ms, each.waiting_percent, each.fsync_ms] for each in self.noise]
        lines = [f"    {json.dumps(each)}" for each in told["samples"]]
        head = {name: told[name] for name in ("facts", "versions", "systems")} | {"noise": noise}
        fields = [f"  {json.dumps(name)}: {json.dumps(value)}" for name, value in head.items()]
        samples = ",\n".join(lines)
        return "{\n" + ",\n".join(fields) + f',\n  "samples": [\n{samples}\n  ]\n}}\n'

    @classmethod
    def from_json(cls, text: str) -> Self:
        told: dict[str, Any] = json.loads(text)
        return cls(
            facts=told["facts"],
            versions=told["versions"],
            systems={name: Told(**each) for name, each in told["systems"].items()},
            noise=[Noise(*each) for each in told["noise"]],
            samples=[Sample(**each) for each in told["samples"]],
        )

    @classmethod
    def read(cls, path: Path) -> Self:
        return cls.from_json(path.read_text())
