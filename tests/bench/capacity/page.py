"""docs/capacity.md and its plots: every number on the page is from one run."""

from collections.abc import Callable, Mapping, Sequence
from itertools import groupby

from short_drama.orchestrator.accounts.costs import HEARTBEAT_SECONDS
from tests.bench.capacity import inputs, words
from tests.bench.capacity.advice import FLAT, WORTH, WORTHS, above, advice, price
from tests.bench.capacity.experiments import G4DN, ON_H100
from tests.bench.capacity.inputs import DEFAULTS
from tests.bench.capacity.load import BATCH
from tests.bench.capacity.plots import lines
from tests.bench.capacity.results import Row, Run
from tests.bench.capacity.told import told
from tests.bench.markdown import section, table
from tests.bench.svg import number

_FLEET = ("p50 min", "p95 min", "p99 min", "at work %", "GPU $", "AWS $")


def page(run: Run) -> str:
    """The whole page, in Markdown."""
    return "\n".join(
        [
            words.HEAD.format(seed=run.seed) + _settings(run),
            _sizes(run),
            _aws(run),
            _target(run),
            _zero(run),
            _turns(run),
            _surroundings(run),
            _providers(run),
            _inputs(),
        ]
    )


def plots(run: Run) -> dict[str, str]:
    """SVG by file name."""
    sizes, always = run.of("sizes", G4DN), run.of("always")
    names = [f"{row.gpus:,}" for row in sizes]
    other = run.of("sizes", "g5.xlarge")
    found = {
        "waits.svg": lines(
            f"What tasks wait, on {G4DN}",
            "minutes; less is better",
            "GPUs at most",
            names,
            {share: _minutes(sizes, share) for share in ("p50", "p95", "p99")},
        ),
        "dollars.svg": lines(
            "What 1,000 pictures cost in GPU time",
            "US dollars; less is better",
            "GPUs at most",
            names,
            {
                "T4, spot": _values(sizes, "gpu_usd"),
                "A10G, spot": _values(other, "gpu_usd"),
                "T4, always on": _values(always, "gpu_usd"),
            },
        ),
    }
    fleets = {rows[0].gpus: rows for rows in _fleets(run.of("target"))}
    settings = [f"{row.setting:g}" for row in next(iter(fleets.values()))]
    found["target.svg"] = lines(
        "GPU time and waiting together",
        f"US dollars for 1,000 pictures, an hour of waiting at {WORTH:g}; less is better",
        "tasks for each instance (GpuBacklogPerInstance)",
        settings,
        {f"{gpus} GPUs": [price(row, WORTH) for row in rows] for gpus, rows in fleets.items()},
    )
    return found


def _minutes(rows: Sequence[Row], share: str) -> list[float]:
    return [row.values[f"wait_{share}_s"] / 60 for row in rows]


def _values(rows: Sequence[Row], name: str) -> list[float]:
    return [row.values[name] for row in rows]


def _fleets(rows: Sequence[Row]) -> list[list[Row]]:
    """By instance and number of GPUs, in the order of the run."""
    return [list(found) for _, found in groupby(rows, lambda row: (row.instance, row.gpus))]


# --- Sections ----------------------------------------------------------------------------


def _settings(run: Run) -> str:
    now: Mapping[str, tuple[str, float]] = {
        "target": ("`GpuBacklogPerInstance`", run.template_target),
        "zero": ("minutes without work before the last instance goes", 0),
        "lookahead": ("`SHORT_DRAMA_GPU_LOOKAHEAD`", DEFAULTS.lookahead),
        "bound": ("`SHORT_DRAMA_COMFYUI_SWAP_WAIT_SECONDS`", DEFAULTS.bound),
        "places": ("prompts in ComfyUI", DEFAULTS.places),
    }
    rows = []
    for study, (name, value) in now.items():
        for fleet in _fleets(run.of(study)):
            low, high = advice(fleet).flat
            rows.append(
                [
                    name,
                    f"{fleet[0].gpus} {_card(fleet[0])}",
                    f"{value:g}",
                    ", ".join(f"{advice(fleet, worth).best:g}" for worth in WORTHS),
                    f"{low:g} to {high:g}",
                    ", ".join(f"{above(fleet, value, worth):.0f}" for worth in WORTHS),
                ]
            )
    said = words.SETTINGS.format(
        worths=", ".join(f"{100 * worth:g}" for worth in WORTHS),
        flat=100 * FLAT,
        worth=100 * WORTH,
        batch=BATCH * WORTH,
    )
    headings = ["setting", "GPUs", "now", "best", "flat", "now is above the best, %"]
    return section("The settings that follow", said, table(headings, rows), when=rows)


def _card(row: Row) -> str:
    return "H100, always on" if row.instance == ON_H100 else f"`{row.instance}`"


def _sizes(run: Run) -> str:
    headings = ["GPUs at most", "tasks a day", *_FLEET, "most at once", "starts a day"]
    body = ""
    for instance in inputs.CARDS:
        rows = [
            [*_sized(row), f"{row.values['most_gpus']:,.0f}", number(_a_day(row, "launches"))]
            for row in run.of("sizes", instance)
        ]
        body += f"`{instance}` on spot:\n\n{table(headings, rows)}\n"
    rows = [_sized(row) for row in run.of("always")]
    body += f"`{G4DN}` on demand, never stopped:\n\n{table(headings[:-2], rows)}"
    said = words.SIZES.format(batch=BATCH * inputs.mean_seconds(inputs.T4) / 60)
    return section("From 1 to 1,000 GPUs", said, body, when=run.rows)


def _sized(row: Row) -> list[str]:
    return [f"{row.gpus:,}", number(_a_day(row, "tasks")), *_fleet(row)]


def _a_day(row: Row, name: str) -> float:
    return row.values[name] / row.values["days"]


def _fleet(row: Row) -> list[str]:
    """As _FLEET heads them."""
    values = row.values
    return [
        *(number(values[f"wait_p{share}_s"] / 60) for share in (50, 95, 99)),
        number(values["at_work_percent"]),
        number(values["gpu_usd"]),
        number(sum(values[f"{name}_usd"] for name in _SERVICES)),
    ]


_SERVICES = ("sqs", "dynamodb", "s3", "storage", "transfer")


def _aws(run: Run) -> str:
    rows = [
        [
            f"{row.gpus:,}",
            *(f"{row.values[f'{name}_usd']:.4f}" for name in _SERVICES),
            number(row.values["held_s"]),
            f"{row.values['attempts']:.3f}",
        ]
        for row in run.of("sizes", G4DN)
    ]
    said = words.AWS.format(instance=G4DN, beat=HEARTBEAT_SECONDS)
    headings = ["GPUs", "SQS", "DynamoDB", "S3 requests", "storage", "transfer"]
    return section(
        "AWS's own side",
        said,
        table([*headings, "s in hands", "attempts"], rows),
        when=rows,
    )


def _target(run: Run) -> str:
    said = words.TARGET
    rows = []
    for fleet in _fleets(run.of("target")):
        for row, larger in zip(fleet, [*fleet[1:], None], strict=True):
            rows.append(
                [f"{row.gpus}", f"{row.setting:g}", *_fleet(row)[:5], _hour_less(row, larger)]
            )
    headings = ["GPUs at most", "target", *_FLEET[:5], "an hour less, cents"]
    return section("Scaling out", said, table(headings, rows), when=rows)


def _hour_less(row: Row, larger: Row | None) -> str:
    if larger is None:
        return ""
    saved = 1000 * (larger.values["wait_mean_s"] - row.values["wait_mean_s"]) / 3600
    more = row.values["gpu_usd"] - larger.values["gpu_usd"]
    return number(100 * more / saved) if saved > 0 else "no less"


def _zero(run: Run) -> str:
    said = words.ZERO
    rows = [
        [f"{row.gpus}", f"{row.setting:g}", *_fleet(row)[:5], number(_a_day(row, "launches"))]
        for row in run.of("zero")
    ]
    headings = ["GPUs at most", "minutes", *_FLEET[:5], "starts a day"]
    return section("Before zero", said, table(headings, rows), when=rows)


def _turns(run: Run) -> str:
    said = words.TURNS
    studies = {"lookahead": "messages held", "bound": "bound, s", "places": "prompts"}
    body = ""
    for study, name in studies.items():
        for fleet in _fleets(run.of(study)):
            rows = [
                [f"{row.setting:g}", *_seconds(row), number(row.values["swaps_of_thousand"])]
                for row in fleet
            ]
            headings = [name, "p50 s", "p95 s", "p99 s", "mean s", "switches per 1,000"]
            body += f"{fleet[0].gpus} {_card(fleet[0])}:\n\n{table(headings, rows)}\n"
    return section("Turns", said, body.rstrip("\n") + "\n", when=run.rows)


def _seconds(row: Row) -> list[str]:
    names = ("wait_p50_s", "wait_p95_s", "wait_p99_s", "wait_mean_s")
    return [number(row.values[name]) for name in names]


def _surroundings(run: Run) -> str:
    told_of: Mapping[str, Callable[[Row], str]] = {
        "boot": lambda row: f"an instance starts in {row.setting / 60:g} min",
        "spot": lambda row: (
            f"interrupted each {row.setting:g} h" if row.setting else "on demand, never interrupted"
        ),
    }
    rows = [
        [name(row), *_fleet(row)[:5], f"{row.values['attempts']:.3f}"]
        for study, name in told_of.items()
        for row in run.of(study)
    ]
    said = words.SURROUNDINGS.format(instance=G4DN)
    return section(
        "If the assumptions are wrong", said, table(["", *_FLEET[:5], "attempts"], rows), when=rows
    )


def _providers(run: Run) -> str:
    said = words.PROVIDERS
    fleets = [list(found) for _, found in groupby(run.of("providers"), lambda row: row.gpus)]
    rows = [
        [f"{fleet[0].gpus:,}", number(fleet[0].values["a_day"]), *map(_took, fleet)]
        for fleet in fleets
    ]
    settings = [f"{row.setting:g} in flight" for row in fleets[0]]
    headings = ["GPUs beside it", "face swaps a day", *settings]
    return section("The CPU lane with providers", said, table(headings, rows), when=rows)


def _took(row: Row) -> str:
    if row.values["unfinished"] > 0.01 * row.values["tasks"]:
        return "too many"
    return number(row.values["took_p95_s"])


def _inputs() -> str:
    return section(
        "What it was told", words.INPUTS, table(["", "value", "from"], told()), when=told()
    )
