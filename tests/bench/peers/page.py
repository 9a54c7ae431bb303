"""docs/benchmarks.md and its plots: every number on the page was measured in one run."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tests.bench.markdown import section, table
from tests.bench.peers import noise
from tests.bench.peers.figures import Figure, figures
from tests.bench.peers.goals import OURS, goals
from tests.bench.peers.plots import Bar, chart
from tests.bench.peers.results import Run
from tests.bench.svg import number

MARK = " †"
_HOLDS = {True: "yes", False: "**no**", None: "not known"}
_HEAD = """\
# Benchmarks

*Written by `make bench-peers` from [its figures](benchmarks/peers.json), and typed by nobody.*
What other commands measure is in [measurements.md](measurements.md).

What one would take instead of short-drama for its queue, each beside it in one run: **Celery** and
**arq** on Redis, **procrastinate** on Postgres, and a **script** that makes the same calls without
any queue. Each peer has an HTTP front as one would write it (FastAPI, uvicorn with uvloop, the same
body with the same checks) and a worker that does the same work: it reads the same picture, makes
the same calls to the same simulated ComfyUI, and keeps the result durably. short-drama is
`short-drama up`, as anybody starts it; it also does what the peers leave out, such as leases,
heartbeats, checks of the result and labels in it.

How it is measured:

* **Durable everywhere**: what a submit has acknowledged outlives a power cut. How, is said
  [below](#who-is-who).
* One system at a time has the machine, started from nothing on an empty folder, in an order that is
  drawn anew for each round. Client, systems, Redis, Postgres and the simulated engine are bound to
  the same processors.
* Figures are medians over the rounds, with the least and the most of them; ratios are taken within
  each round, and are their median. Latencies are those of single answers. CPU is that of the system
  with its database, without client and engine. Memory is the proportional set size, in which shared
  pages count once.
* Before and after each measurement a fixed piece of work is timed: hashing on every processor, and
  60 fsyncs. Where it took more than {cpu:g} (hashing) or {disk:g} times (fsync) as long as at this
  run's quiet times, or had to leave its processor to others for more than {waiting:g} % of the
  time, the measurement is disturbed: it is left out where there are others, and where all are
  disturbed the figure is marked † and says nothing.

"""


@dataclass(frozen=True, slots=True)
class _Column:
    """Of a table: a heading, the value's name in samples, and whether its spread is shown."""

    heading: str
    value: str
    spread: bool = False


def page(run: Run) -> str:
    """The whole page, in Markdown."""
    bounds = {"cpu": noise.CPU_BOUND, "disk": noise.DISK_BOUND, "waiting": noise.WAITING_BOUND}
    sections = [
        _HEAD.format(**bounds) + _machine(run),
        _wanted(run),
        _submits(run),
        _statuses(run),
        _alone(run),
        _batches(run),
        _drains(run),
        _rest(run),
        _systems(run),
    ]
    return "\n".join(section for section in sections if section)


def plots(run: Run) -> dict[str, str]:
    """SVG by file name; none for what was not measured."""
    found = {
        "submits.svg": _levels(
            run, "submit", "per_second", "Durable submits", "a second; more is better"
        ),
        "alone.svg": _flat(
            run,
            "alone",
            "overhead_p50_ms",
            "One task at a time, without the engine's own run",
            "ms, median; less is better",
        ),
        "batch.svg": _flat(
            run,
            "batch",
            "gap_p50_ms",
            "How long the engine idles between two tasks of a batch",
            "ms, median; less is better",
        ),
        "memory.svg": _flat(
            run, "idle", "memory_mib", "Memory at rest", "MiB, database included; less is better"
        ),
    }
    return {name: text for name, text in found.items() if text}


# --- Sections ----------------------------------------------------------------------------


def _machine(run: Run) -> str:
    told = {
        **run.facts,
        "versions": ", ".join(f"{name} {value}" for name, value in run.versions.items()),
        **_noise(run),
    }
    return "This run:\n\n" + "".join(f"* {name}: {value}\n" for name, value in told.items())


def _noise(run: Run) -> Mapping[str, str]:
    best, marked = noise.quiet(run.noise), sum(each.disturbed for each in run.samples)
    waited = max(each.waiting_percent for each in run.noise)
    return {
        "hashing": _range(best.cpu_ms, max(each.cpu_ms for each in run.noise), "ms"),
        "waiting for a processor meanwhile": _range(best.waiting_percent, waited, "%"),
        "an fsync": _range(best.fsync_ms, max(each.fsync_ms for each in run.noise), "ms"),
        "disturbed": f"{marked} of {len(run.samples)} measurements",
    }


def _range(quiet: float, worst: float, unit: str) -> str:
    return f"{number(quiet)} {unit} at quiet times, {number(worst)} {unit} at worst"


def _wanted(run: Run) -> str:
    rows = [
        [goal.words, _told(goal.figure, spread=True), goal.wanted, _HOLDS[goal.holds]]
        for goal in goals(run)
    ]
    return section(
        "What we want of it", "", table(["", "measured", "wanted", "holds"], rows), when=rows
    )


_RATES = (
    _Column("a second", "per_second", spread=True),
    _Column("p50 ms", "p50_ms"),
    _Column("p99 ms", "p99_ms"),
    _Column("CPU ms each", "cpu_ms"),
)


def _submits(run: Run) -> str:
    words = (
        "While the engine is busy with another task, so that what is submitted waits. short-drama "
        "is also asked with an image URL, whose picture it has had before: a peer would leave that "
        "to its worker.\n\n![Durable submits a second](benchmarks/submits.svg)"
    )
    rows = _level_rows(run, "submit", _RATES)
    rows += _level_rows(run, "submit-url", _RATES, suffix=", a URL")
    return section("Submits", words, _rate_table(rows), when=rows)


def _statuses(run: Run) -> str:
    rows = _level_rows(run, "status", _RATES)
    return section("Status of a finished task", "", _rate_table(rows), when=rows)


def _alone(run: Run) -> str:
    words = (
        "From the submit to the end that a client sees, less the engine's own run, of 0.1 s. "
        "Clients of all systems look every 10 ms; of short-drama one can also wait in the submit "
        "itself (`Prefer: wait`). The script has neither a queue nor a client.\n\n"
        "![Milliseconds beside the engine's run](benchmarks/alone.svg)"
    )
    columns = (
        _Column("p50 ms", "overhead_p50_ms", spread=True),
        _Column("most ms", "overhead_max_ms"),
    )
    rows = _rows(run, "alone", columns) + _rows(run, "alone-wait", columns, suffix=", waiting")
    return section("One task at a time", words, _titled(columns, rows), when=rows)


def _batches(run: Run) -> str:
    words = (
        "Tasks of half a second of engine time, all submitted at once. Workers of peers have two "
        "tasks at a time, so that the next prompt is in ComfyUI before the last has ended, as "
        "short-drama has it.\n\n![Idling between two tasks](benchmarks/batch.svg)"
    )
    columns = (
        _Column("idle between two, p50 ms", "gap_p50_ms", spread=True),
        _Column("most ms", "gap_max_ms"),
        _Column("engine at work %", "utilisation_percent"),
        _Column("all done, s", "seconds"),
    )
    rows = _rows(run, "batch", columns)
    return section("A batch", words, _titled(columns, rows), when=rows)


def _drains(run: Run) -> str:
    words = (
        "Tasks that read their picture and write a small result durably, without an engine, "
        "from the first submit to the last end; 16 submit at a time."
    )
    columns = (
        _Column("tasks a second", "per_second", spread=True),
        _Column("CPU ms each", "cpu_ms"),
    )
    rows = _rows(run, "drain", columns)
    return section("Tasks that take no time", words, _titled(columns, rows), when=rows)


def _rest(run: Run) -> str:
    words = "After the work above, with nothing to do.\n\n![Memory at rest](benchmarks/memory.svg)"
    columns = (_Column("memory MiB", "memory_mib", spread=True), _Column("CPU %", "cpu_percent"))
    rows = _rows(run, "idle", columns)
    listening = (
        _Column("listeners: CPU %", "cpu_percent"),
        _Column("memory MiB", "memory_mib"),
        _Column("CPU % without them", "cpu_percent_before"),
        _Column("memory MiB without them", "memory_mib_before"),
    )
    more = _level_rows(run, "listeners", listening)
    found = _titled(columns, rows)
    if more:
        found += "\nEvent streams of tasks that wait, each with a listener:\n\n"
        found += table(["", "streams", *(each.heading for each in listening)], more)
    return section("At rest", words, found, when=rows)


def _systems(run: Run) -> str:
    rows = [[each.title, each.durable] for each in run.systems.values()]
    words = (
        "arq looks for tasks every 20 ms instead of every 0.5 s of its own accord: its tasks start "
        "sooner and its idle worker costs more. Celery's submitting client has no result backend: "
        "it would subscribe to the result of each task. All have one process for their front, and "
        "one for their worker, Celery two below it."
    )
    return section("Who is who", words, table(["", "durable by"], rows), when=rows)


# --- Tables ------------------------------------------------------------------------------


def _titled(columns: Sequence[_Column], rows: Sequence[Sequence[str]]) -> str:
    return table(["", *(each.heading for each in columns)], rows)


def _rate_table(rows: Sequence[Sequence[str]]) -> str:
    return table(["", "clients", *(each.heading for each in _RATES)], rows)


def _rows(
    run: Run, scenario: str, columns: Sequence[_Column], *, suffix: str = ""
) -> list[list[str]]:
    rows = _level_rows(run, scenario, columns, suffix=suffix)
    return [[row[0], *row[2:]] for row in rows]


def _level_rows(
    run: Run, scenario: str, columns: Sequence[_Column], *, suffix: str = ""
) -> list[list[str]]:
    found = [figures(run.samples, scenario, each.value) for each in columns]
    levels = sorted({level for _, level in found[0]})
    return [
        [
            run.systems[system].title + suffix,
            f"{level:,}",
            *(
                _told(values[system, level], spread=column.spread)
                for values, column in zip(found, columns, strict=True)
            ),
        ]
        for level in levels
        for system in run.systems
        if (system, level) in found[0]
    ]


def _told(figure: Figure, *, spread: bool) -> str:
    words = number(figure.median)
    if spread and figure.rounds > 1:
        words += f" ({number(figure.least)} to {number(figure.most)})"
    return words + (MARK if figure.disturbed else "")


# --- Plots -------------------------------------------------------------------------------


def _levels(run: Run, scenario: str, value: str, title: str, unit: str) -> str:
    found = figures(run.samples, scenario, value)
    groups = {
        f"{level} client{'s' if level > 1 else ''}": _bars(run, found, level)
        for level in sorted({level for _, level in found})
    }
    return chart(title, unit, groups) if groups else ""


def _flat(run: Run, scenario: str, value: str, title: str, unit: str) -> str:
    bars = _bars(run, figures(run.samples, scenario, value), 0)
    return chart(title, unit, {"": bars}) if bars else ""


def _bars(run: Run, found: Mapping[tuple[str, int], Figure], level: int) -> list[Bar]:
    return [
        Bar(
            told.title + (MARK if found[name, level].disturbed else ""),
            found[name, level],
            ours=name == OURS,
        )
        for name, told in run.systems.items()
        if (name, level) in found
    ]
