"""The figures operators watch, one registry per process, in Prometheus's text format.

What each is good for is in docs/monitoring.md. A metric that is counted in several processes is
added up over them; one that is looked at (`Known`) is the same whoever looks.
"""

from collections.abc import Iterable
from importlib.metadata import version

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    Info,
    PlatformCollector,
    ProcessCollector,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from prometheus_client.registry import Collector

from short_drama.domain.errors import leaves
from short_drama.domain.kinds import Lane
from short_drama.domain.task import Task
from short_drama.domain.task_state import TaskStatus
from short_drama.domain.timings import timings_of

REGISTRY = CollectorRegistry()
CONTENT_TYPE = CONTENT_TYPE_LATEST
NAMESPACE = "short_drama"

_CALLS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
_WORK = (0.05, 0.1, 0.25, 0.5, 1, 2, 4, 8, 15, 30, 60, 120, 300, 600, 1800)


class Known(Collector):
    """A gauge of what somebody has to look at: it shows what is known now, and nothing where
    nobody knows. A figure that is missing is noticed; one that is old is believed."""

    def __init__(self, name: str, meaning: str, *labels: str) -> None:
        self._name, self._meaning, self._labels = f"{NAMESPACE}_{name}", meaning, labels
        self._values: dict[tuple[str, ...], float] = {}
        REGISTRY.register(self)

    def tell(self, value: float | None, *labels: str) -> None:
        """`value`: None as soon as nobody knows any more."""
        if value is None:
            self._values.pop(labels, None)
        else:
            self._values[labels] = value

    def describe(self) -> Iterable[GaugeMetricFamily]:
        yield GaugeMetricFamily(self._name, self._meaning, labels=self._labels)

    def collect(self) -> Iterable[GaugeMetricFamily]:
        family = GaugeMetricFamily(self._name, self._meaning, labels=self._labels)
        for labels, value in self._values.items():
            family.add_metric(labels, value)
        yield family


def _counter(name: str, meaning: str, *labels: str) -> Counter:
    return Counter(name, meaning, labels, namespace=NAMESPACE, registry=REGISTRY)


def _gauge(name: str, meaning: str, *labels: str) -> Gauge:
    return Gauge(name, meaning, labels, namespace=NAMESPACE, registry=REGISTRY)


def _histogram(name: str, meaning: str, *labels: str, buckets: Iterable[float]) -> Histogram:
    return Histogram(
        name, meaning, labels, namespace=NAMESPACE, registry=REGISTRY, buckets=tuple(buckets)
    )


disable_created_metrics()  # type: ignore[no-untyped-call]
ProcessCollector(registry=REGISTRY)
PlatformCollector(registry=REGISTRY)
Info("build", "What runs here", namespace=NAMESPACE, registry=REGISTRY).info(
    {"version": version("short-drama")}
)

# --- Requests -----------------------------------------------------------------------------

REQUESTS = _counter(
    "http_requests", "HTTP requests answered", "service", "method", "route", "status"
)
REQUEST_SECONDS = _histogram(
    "http_request_seconds", "Seconds to answer, long polls included", "service", "route",
    buckets=_CALLS,
)  # fmt: skip

AUDIT_REFUSALS = _counter(
    "audit_refusals", "Refusals, by whether the audit has a line of them", "outcome"
)
TURNED_AWAY = _counter("turned_away", "Pieces of work for which too many waited", "work")
DECODERS_STARTED = _counter("decoders_started", "Child processes begun that decode pictures")
MANIFESTS = _counter("manifests", "Pictures published, by whether they have a manifest", "outcome")
DECODERS_DIED = _counter("decoders_died", "Of those, that a picture took too much of")

# --- Tasks --------------------------------------------------------------------------------

SUBMITTED = _counter("tasks_submitted", "Tasks accepted", "kind")
ENDED = _counter("tasks_ended", "Tasks ended", "kind", "status")
FAILED = _counter("tasks_failed", "Tasks that failed, by the problem's code", "kind", "code")
PARKED = _counter("tasks_parked", "Tasks that began to wait, by what for", "lane", "code")
ATTEMPTS = _counter("task_attempts", "Attempts by what became of them", "lane", "verdict")
LEASE_LOSSES = _counter(
    "lease_losses", "Tasks that were somebody else's before we were done", "lane"
)
HEARTBEATS = _counter("heartbeats", "Renewals of leases by their outcome", "lane", "outcome")
PUT_OFF = _counter("messages_put_off", "Messages left to adapters of a newer release")
SWEPT = _counter("tasks_swept", "What the sweeper did", "action")
LEFT_OUT = _counter(
    "records_left_out", "Times that something stored was left out of a list", "what", "why"
)
SWEPT_AT = Known(
    "sweeper_last_success_timestamp_seconds", "When a pass of the sweeper last succeeded", "over"
)
TASK_SECONDS = _histogram("task_seconds", "Seconds from submit to end", "kind", buckets=_WORK)
STAGE_SECONDS = _histogram(
    "task_stage_seconds", "Where a task's seconds went", "kind", "stage", buckets=_WORK
)

WEBHOOKS = _counter("webhook_tries", "Tries to tell an endpoint, by what came of them", "state")

# --- Jobs and engines ---------------------------------------------------------------------

JOB_SECONDS = _histogram(
    "job_stage_seconds", "Seconds of a job in one of its stages, what it waited as a whole",
    "kind", "stage", buckets=_WORK,
)  # fmt: skip
JOBS_RUNNING = _gauge("jobs_running", "Jobs in their engine", "service")
KIND_READY = Known("kind_ready", "Whether jobs of the kind can be done", "service", "kind")
ENGINE_BUSY = _counter("engine_busy_seconds", "Seconds in which the engine worked", "service")
ENGINE_IDLE_GAP = _histogram(
    "engine_idle_gap_seconds", "Seconds without a job although one was there", "service",
    buckets=_CALLS,
)  # fmt: skip

# --- Queues -------------------------------------------------------------------------------

QUEUE_WAITING = Known("queue_waiting", "Messages waiting", "queue")
QUEUE_IN_FLIGHT = Known("queue_in_flight", "Messages that adapters hold", "queue")
QUEUE_OLDEST = Known("queue_oldest_seconds", "Age of the oldest task pending", "queue")
DEAD_LETTERS = Known("dead_letters", "Messages that were received too often", "queue")

# --- Processes ----------------------------------------------------------------------------

READY = Known("ready", "Whether it can take work, as /ready says", "service")
AWS_CREDENTIALS = Known("aws_credentials_hold", "Whether there are some that do not end soon")
DISK_FREE = Known("disk_free_bytes", "Room left where the folder is", "folder")
DISK_SIZE = Known("disk_size_bytes", "Size of the disk that the folder is on", "folder")

# --- Storage ------------------------------------------------------------------------------

STORED_BYTES = Known("stored_bytes", "Room that is taken, by what", "part")
COLLECTED = _counter("collected", "What had its time and was deleted", "part")

# --- Others, and money --------------------------------------------------------------------

CALL_SECONDS = _histogram(
    "outside_call_seconds", "Seconds of one call to somebody else", "target", "outcome",
    buckets=_CALLS,
)  # fmt: skip
PROVIDER_PAUSED = _gauge(
    "provider_paused", "1 while an operator has to act before it is asked again", "provider"
)
LIMITS_HIT = _counter("limits_hit", "What was held up or refused by a limit", "limit", "of")
BUDGET = Known("budget_usd", "What may be spent", "budget")
BUDGET_LEFT = Known("budget_left_usd", "What is neither spent nor held of it", "budget")
SPENT = _counter("provider_spend_usd", "What answered calls have cost, in US dollars", "provider")
SPEND_RESERVED = Known(
    "provider_spend_reserved_usd", "What is held for tasks or reserved for calls"
)
SPEND_PAGES_OPEN = Known("provider_spend_pages_open", "Tasks whose cost is not settled")


def begin(kinds: Iterable[str]) -> None:
    """Let what alerts count be there from the start: Prometheus sees no rise in a counter that it
    first meets at 1."""
    for kind in kinds:
        for status in (TaskStatus.COMPLETED, TaskStatus.FAILED):
            ENDED.labels(kind, status)
    for lane in Lane:
        LEASE_LOSSES.labels(lane)
    for budget in ("day", "month", "label", "owner"):
        LIMITS_HIT.labels("budget", budget)


_CODES = frozenset(leaf.code for leaf in leaves())


def known_code(code: str) -> str:
    """For a label: an API service of somebody else may answer with any."""
    return code if code in _CODES else "other"


def ended(task: Task) -> None:
    """A task has ended, by whatever hand: to be told once, by whoever wrote it."""
    ENDED.labels(task.kind, task.status).inc()
    if task.failure is not None:
        FAILED.labels(task.kind, known_code(task.failure.code)).inc()
    timings = timings_of(task)
    if timings.total_seconds is not None:
        TASK_SECONDS.labels(task.kind).observe(timings.total_seconds)
    for stage in ("queued", "running", "engine", "overhead"):
        seconds = getattr(timings, f"{stage}_seconds")
        if seconds is not None:
            STAGE_SECONDS.labels(task.kind, stage).observe(max(seconds, 0.0))


def paid(provider: str, micros: int) -> None:
    """A call has been answered and costs so many millionths of a US dollar."""
    SPENT.labels(provider).inc(micros / 1_000_000)


def render() -> bytes:
    return generate_latest(REGISTRY)


def pointer(url: str) -> bytes:
    """For a port whose process shows its figures at another one: no sample, a word to people."""
    return f"# The figures of this process are at {url}, once for all of its ports.\n".encode()
