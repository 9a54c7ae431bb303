"""A whole run, as docs/capacity/results.json keeps it: all that the page says is from there."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Self


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One simulated fleet.

    Args:
        setting: the value of what the study changes.
        values: by name, with their unit in it.
    """

    study: str
    instance: str
    gpus: int
    setting: float
    values: Mapping[str, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    seed: int
    template_target: float
    """GpuBacklogPerInstance, as the template has it."""
    rows: Sequence[Row]

    def of(self, study: str, instance: str | None = None) -> list[Row]:
        return [row for row in self.rows if row.study == study and instance in (None, row.instance)]

    def to_json(self) -> str:
        """One line for each row, so that two runs can be compared by eye."""
        rows = ",\n".join(f"    {json.dumps(asdict(row))}" for row in self.rows)
        head = f'  "seed": {self.seed},\n  "template_target": {self.template_target},\n'
        return f'{{\n{head}  "rows": [\n{rows}\n  ]\n}}\n'

    @classmethod
    def read(cls, path: Path) -> Self:
        told = json.loads(path.read_text())
        return cls(
            seed=told["seed"],
            template_target=told["template_target"],
            rows=[Row(**row) for row in told["rows"]],
        )
