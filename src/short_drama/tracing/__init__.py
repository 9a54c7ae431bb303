"""Traces of tasks, for whoever collects them by OTLP over HTTP.

Off unless an endpoint is set; then nothing of OpenTelemetry is even imported. What is carried from
process to process is a W3C traceparent, in every case: a client's own is kept, so that logs and
records name its trace, though nobody collects ours.
"""

import asyncio
import contextlib
import re
import threading
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import AbstractContextManager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

from structlog.contextvars import bound_contextvars

from short_drama.domain.errors import InvalidRequest

if TYPE_CHECKING:
    from opentelemetry.context import Context
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.trace import Span, Tracer

HEADER = "traceparent"
_TRACEPARENT = re.compile(r"00-(?!0{32})([0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")
"""https://www.w3.org/TR/trace-context/#traceparent-header, version 00."""
_CLOSE_SECONDS = 3.0
"""For the last spans, when the process ends."""

_tracer: "Tracer | None" = None
_current: ContextVar[str | None] = ContextVar("traceparent", default=None)


@contextlib.asynccontextmanager
async def opened(endpoint: str | None, *, service: str) -> AsyncIterator[None]:
    """Trace until this is left. A collector that is away costs spans, and nobody's time.

    Raises InvalidRequest when an endpoint is set and OpenTelemetry is not installed.
    """
    global _tracer  # noqa: PLW0603 - one per process, as its registry of metrics
    if endpoint is None or _tracer is not None:
        yield
        return
    provider = _provider(endpoint, service)
    _tracer = provider.get_tracer("short_drama")
    try:
        yield
    finally:
        _tracer = None
        # It may wait for a collector that does not answer, and need not have the last word.
        closing = threading.Thread(target=provider.shutdown, name="traces", daemon=True)
        closing.start()
        await asyncio.to_thread(closing.join, _CLOSE_SECONDS)


class Traced:
    """A span, as far as it is one."""

    def __init__(self, span: "Span | None" = None) -> None:
        self._span = span

    def tell(self, **attributes: Any) -> None:
        if self._span is not None:
            self._span.set_attributes(_attributes(attributes))


def span(name: str, parent: str | None, **attributes: Any) -> AbstractContextManager[Traced]:
    """A part of the trace of `parent`, a traceparent, or a trace of its own. Log lines inside name
    the trace."""
    if _tracer is not None:
        return _begun(_tracer, name, parent, attributes)
    if parent is None and current() is None:
        return contextlib.nullcontext(Traced())
    return _handed_on(parent)


@contextlib.contextmanager
def _handed_on(parent: str | None) -> Iterator[Traced]:
    with _inside(parent):
        yield Traced()


@contextlib.contextmanager
def _begun(
    tracer: "Tracer", name: str, parent: str | None, attributes: Mapping[str, Any]
) -> Iterator[Traced]:
    with (
        tracer.start_as_current_span(
            name, context=_context(parent), attributes=_attributes(attributes)
        ) as begun,
        _inside(_written(begun)),
    ):
        yield Traced(begun)


@contextlib.contextmanager
def part(name: str, **attributes: Any) -> Iterator[Traced]:
    """A part of the span around it, if there is one: nothing is traced for its own sake."""
    if _tracer is None or current() is None:
        yield Traced()
        return
    with _tracer.start_as_current_span(name, attributes=_attributes(attributes)) as begun:
        yield Traced(begun)


def current() -> str | None:
    """What to hand on: of the span we are in, or without one what was handed to us."""
    return _current.get()


def passed(name: str, parent: str | None, begin: float, end: float, **attributes: Any) -> None:
    """A part that is over, between two times in Unix seconds."""
    if _tracer is not None and parent is not None:
        _tracer.start_span(
            name,
            context=_context(parent),
            start_time=_nanoseconds(min(begin, end)),
            attributes=_attributes(attributes),
        ).end(_nanoseconds(end))


def accepted(header: str | None) -> str | None:
    """A client's traceparent, unless it makes no sense: then there is none."""
    return header if header is not None and _TRACEPARENT.fullmatch(header) else None


def trace_id(traceparent: str | None) -> str | None:
    found = _TRACEPARENT.fullmatch(traceparent or "")
    return found[1] if found else None


@contextlib.contextmanager
def _inside(traceparent: str | None) -> Iterator[None]:
    token, found = _current.set(traceparent), trace_id(traceparent)
    try:
        with contextlib.nullcontext() if found is None else bound_contextvars(trace_id=found):
            yield
    finally:
        _current.reset(token)


def _provider(endpoint: str, service: str) -> "TracerProvider":
    try:
        from short_drama.tracing.export import open_provider
    except ImportError:
        raise InvalidRequest(
            "SHORT_DRAMA_OTLP_ENDPOINT is set, but OpenTelemetry is not installed",
            field="SHORT_DRAMA_OTLP_ENDPOINT",
            fix="Install it: pip install 'short-drama[otel]'; or unset the endpoint.",
        ) from None
    return open_provider(endpoint, service)


def _context(parent: str | None) -> "Context":
    from opentelemetry.context import Context
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

    carrier = {} if parent is None else {HEADER: parent}
    return TraceContextTextMapPropagator().extract(carrier, context=Context())


def _written(begun: "Span") -> str:
    context = begun.get_span_context()
    return f"00-{context.trace_id:032x}-{context.span_id:016x}-{int(context.trace_flags):02x}"


def _nanoseconds(at: float) -> int:
    return int(at * 1e9)


def _attributes(found: Mapping[str, Any]) -> dict[str, Any]:
    """Ours are told from others' by their prefix."""
    return {f"short_drama.{name}": value for name, value in found.items() if value is not None}
