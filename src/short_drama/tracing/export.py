"""Give spans to a collector, by OTLP over HTTP, from a thread of their own."""

import logging
from collections.abc import Sequence

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult

log = logging.getLogger(__name__)

_PATH = "/v1/traces"
_SEND_SECONDS = 2.0
_GATHER_MILLISECONDS = 1_000
"""For how long spans are gathered before they are sent; those beyond 2,048 are dropped."""


class Telling(SpanExporter):
    """Says once that the collector is away, and once that it is back, in place of the exporter's
    own lines for each batch."""

    def __init__(self, exporter: SpanExporter, address: str) -> None:
        self._exporter, self._address = exporter, address
        self._away = False

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        result = self._exporter.export(spans)
        away = result is not SpanExportResult.SUCCESS
        if away != self._away:
            words = "does not take traces; they are lost" if away else "takes traces again"
            log.warning("the collector at %s %s", self._address, words)
        self._away = away
        return result

    def shutdown(self) -> None:
        self._exporter.shutdown()


def open_provider(endpoint: str, service: str) -> TracerProvider:
    """`endpoint`: with or without the path that every collector has."""
    address = endpoint.rstrip("/").removesuffix(_PATH) + _PATH
    provider = TracerProvider(
        resource=Resource.create({"service.namespace": "short-drama", "service.name": service}),
        shutdown_on_exit=False,
    )
    logging.getLogger("opentelemetry.exporter").setLevel(logging.CRITICAL)
    exporter = Telling(OTLPSpanExporter(address, timeout=_SEND_SECONDS), address)
    provider.add_span_processor(
        BatchSpanProcessor(exporter, schedule_delay_millis=_GATHER_MILLISECONDS)
    )
    return provider
