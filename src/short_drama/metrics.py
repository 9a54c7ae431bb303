"""The figures operators watch, one registry per process, in Prometheus's text format."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST

REGISTRY = CollectorRegistry()
CONTENT_TYPE = CONTENT_TYPE_LATEST

_CALLS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
_WORK = (0.05, 0.1, 0.25, 0.5, 1, 2, 4, 8, 15, 30, 60, 120, 300, 600, 1800)

REQUESTS = Counter(
    "http_requests", "HTTP requests answered", ("service", "method", "route", "status"),
    registry=REGISTRY,
)  # fmt: skip
REQUEST_SECONDS = Histogram(
    "http_request_seconds", "Seconds to answer, long polls included", ("service", "route"),
    buckets=_CALLS, registry=REGISTRY,
)  # fmt: skip
SUBMITTED = Counter("tasks_submitted", "Tasks accepted", ("kind",), registry=REGISTRY)
ENDED = Counter("tasks_ended", "Tasks ended", ("kind", "status"), registry=REGISTRY)
ATTEMPTS = Counter(
    "task_attempts", "Attempts by what became of them", ("lane", "verdict"), registry=REGISTRY
)
SWEPT = Counter("tasks_swept", "What the sweeper did", ("action",), registry=REGISTRY)
TASK_SECONDS = Histogram(
    "task_seconds", "Seconds from submit to end", ("kind",), buckets=_WORK, registry=REGISTRY
)
JOB_SECONDS = Histogram(
    "job_stage_seconds", "Seconds of a job in one of its stages, what it waited as a whole",
    ("kind", "stage"),
    buckets=_WORK, registry=REGISTRY,
)  # fmt: skip
JOBS_RUNNING = Gauge("jobs_running", "Jobs in their engine", ("service",), registry=REGISTRY)
QUEUE_WAITING = Gauge("queue_waiting", "Messages waiting", ("queue",), registry=REGISTRY)
QUEUE_OLDEST = Gauge(
    "queue_oldest_seconds", "Age of the oldest task pending", ("queue",), registry=REGISTRY
)
CALL_SECONDS = Histogram(
    "outside_call_seconds", "Seconds of one call to somebody else", ("target", "outcome"),
    buckets=_CALLS, registry=REGISTRY,
)  # fmt: skip
PROVIDER_PAUSED = Gauge(
    "provider_paused", "1 while an operator has to act before it is asked again", ("provider",),
    registry=REGISTRY,
)  # fmt: skip
SPENT = Counter(
    "provider_spend_usd", "What answered calls have cost, in US dollars", ("provider",),
    registry=REGISTRY,
)  # fmt: skip
SPEND_RESERVED = Gauge(
    "provider_spend_reserved_usd", "What is held for tasks or reserved for calls",
    registry=REGISTRY,
)  # fmt: skip
SPEND_PAGES_OPEN = Gauge(
    "provider_spend_pages_open", "Tasks whose cost is not settled", registry=REGISTRY
)


def paid(provider: str, micros: int) -> None:
    """A call has been answered and costs so many millionths of a US dollar."""
    SPENT.labels(provider).inc(micros / 1_000_000)


def render() -> bytes:
    return generate_latest(REGISTRY)
