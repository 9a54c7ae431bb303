"""One connection, within limits."""

import asyncio
import enum
import functools
from typing import Any, cast

import httptools
from uvicorn._types import ASGI3Application
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from short_drama.web.front import limits, refusal, targets
from short_drama.web.front.gate import Gate
from short_drama.web.front.line import Line
from short_drama.web.front.refusal import Refusal, Refused
from short_drama.web.front.visitor import Queue


class _Part(enum.Enum):
    """What of a request is still to come."""

    HEAD = enum.auto()
    BODY = enum.auto()
    NOTHING = enum.auto()


class BoundedProtocol(HttpToolsProtocol):
    """uvicorn's, which leaves to nobody how much it reads and for how long it waits.

    What is counted between two events of the parser (`_unheard`) bounds what the parser keeps to
    itself: a URL, a header, a trailer or a chunk's extension that never ends.
    """

    def __init__(self, *args: Any, gate: Gate, **options: Any) -> None:
        super().__init__(*args, **options)
        self.queue: Queue | None = None
        self.address = ""
        self.since = self.last = 0.0
        self.body_received = self.body_looked_at = 0
        self.dawdles = False
        self._gate = gate
        self._part = _Part.HEAD
        self._is_over = False
        self._lingers = True
        self._heard = self._unheard = self._unread = 0
        self._fields = self._field_bytes = 0
        self._held: dict[RequestResponseCycle, int] = {}
        self._waits = self._is_whole = False
        self._withheld: list[bytes] = []
        """What had come of the body when there was no room for it; `_is_whole`: to its end."""

    # --- The connection -----------------------------------------------------------------------

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        self._socket = transport
        self._line = Line(transport, self._end)
        super().connection_made(cast("asyncio.Transport", self._line))
        self.address = self._gate.limits.known_as(self.client[0]) if self.client else ""
        self.last = self.loop.time()
        why = self._gate.enter(self)
        if why is None:
            self._gate.move(self, self._gate.heads)
        elif self._gate.is_crowded:
            self._gate.ledger.note(why)
            self.abort()
        else:
            self.refuse(why)

    def connection_lost(self, exc: Exception | None) -> None:
        self._is_over = True
        self._gate.leave(self)
        for cycle, _ in self.pipeline:  # nobody will run them
            self._release(cycle)
        super().connection_lost(exc)

    def shutdown(self) -> None:
        self._lingers = False
        super().shutdown()
        if self._is_over:
            self._socket.close()

    def abort(self) -> None:
        self._is_over = True
        self._gate.move(self, None)
        self._socket.abort()

    def pause_writing(self) -> None:
        super().pause_writing()
        self._gate.stops_reading(self, self._socket.get_write_buffer_size())

    def resume_writing(self) -> None:
        super().resume_writing()
        self._gate.reads_on(self)

    def _end(self) -> None:
        """As `Line` says: the client reads our last answer first, if it still sends."""
        self._is_over = True
        self.last = self.loop.time()
        if self._lingers and self._part is not _Part.NOTHING:
            self.flow.resume_reading()
            self._socket.write_eof()
        else:
            self._socket.close()
        if not self._socket.is_closing() or self.has_unsent:
            self._gate.move(self, self._gate.leaving)

    # --- What arrives -------------------------------------------------------------------------

    def data_received(self, data: bytes) -> None:
        self.last = self.loop.time()
        if self._is_over:
            self._drop(len(data))
            return
        if self._part is _Part.NOTHING:
            self._part = _Part.HEAD
        heard = self._heard
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            self.cycle.keep_alive = False  # to nothing: what follows the head was not read
        except httptools.HttpParserError as error:
            cause = error.__context__
            self.refuse(cause.refusal if isinstance(cause, Refused) else refusal.MALFORMED)
            return
        self._unheard = self._unheard + len(data) if heard == self._heard else 0
        if self._unheard > limits.HEAD_BYTES:
            self.refuse(refusal.LARGE_HEAD)
            return
        self._await_rest()

    def _await_rest(self) -> None:
        """Be where the gate looks for whoever owes us the rest of a request."""
        gate = self._gate
        if self._part is _Part.NOTHING:
            if self.cycle.response_complete and self.queue is not gate.idle:
                gate.move(self, gate.idle)
            return
        queue = gate.heads if self._part is _Part.HEAD else gate.bodies
        if self.queue is not queue:
            gate.move(self, queue)

    def _drop(self, size: int) -> None:
        self._unread += size
        if self._unread > limits.UNREAD_BYTES:
            self.abort()

    # --- The parser's events ------------------------------------------------------------------

    def on_message_begin(self) -> None:
        if self._waits:
            raise Refused(refusal.MANY_BYTES)
        super().on_message_begin()
        self._part = _Part.HEAD
        self._heard += 1
        self._fields = self._field_bytes = 0
        self.body_received = self.body_looked_at = 0
        self.dawdles = False

    def on_url(self, url: bytes) -> None:
        if len(self.url) + len(url) > limits.URL_BYTES:
            raise Refused(refusal.LONG_URL)
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        self._heard += 1
        self._fields += 1
        self._field_bytes += len(name) + len(value)
        if self._fields > limits.FIELDS:
            raise Refused(refusal.MANY_FIELDS)
        if self._field_bytes + len(self.url) > limits.HEAD_BYTES:
            raise Refused(refusal.LARGE_HEAD)
        if self._part is _Part.HEAD:  # nobody here reads trailers
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        if len(self.pipeline) >= limits.PIPELINED:
            raise Refused(refusal.PIPELINE)
        if not targets.agree(self.url, [value for name, value in self.headers if name == b"host"]):
            raise Refused(refusal.OTHER_HOST)
        super().on_headers_complete()
        self._heard += 1
        self._arrived(_Part.BODY)

    def on_chunk_header(self) -> None:
        self._heard += 1

    def on_body(self, body: bytes) -> None:
        self._heard += 1
        self.body_received += len(body)
        if self.cycle.response_complete:
            self._drop(len(body))
            return
        if not self._waits and self.body_received > limits.SMALL_BODY:
            self._waits = not self._hold() and self._wait()
        if self._waits:
            self._withheld.append(body)
        else:
            super().on_body(body)

    def on_message_complete(self) -> None:
        self._heard += 1
        if self._waits:
            self._is_whole = True
            return
        super().on_message_complete()
        self._arrived(_Part.NOTHING)

    def _arrived(self, rest: _Part) -> None:
        self._part = rest
        if self.queue is not None:
            self._gate.move(self, None)

    # --- Answers ------------------------------------------------------------------------------

    @property
    def is_held_up(self) -> bool:
        """The head of a request may wait for the answer to the one before; a body for the
        application to read it, or for the word to send it."""
        if self.cycle is None or self.cycle.response_complete:
            return False
        return (
            self._part is _Part.HEAD
            or self._waits
            or self.flow.read_paused
            or bool(self.cycle.waiting_for_100_continue)
        )

    @property
    def has_unsent(self) -> bool:
        return self._socket.get_write_buffer_size() > 0

    def refuse(self, why: Refusal) -> None:
        """Answer, if that can be done, and end the connection."""
        if self._is_over:
            return
        self._is_over = True
        self._stop_waiting()
        self._gate.ledger.note(why)
        if not self._is_answerable():
            self.abort()
            return
        if self.cycle is not None and not self.cycle.response_complete:
            self.cycle.disconnected = True
            self.cycle.message_event.set()
            self._release(self.cycle)
        url = getattr(self, "url", b"").partition(b"?")[0]
        self.transport.write(why.answer(url[:200].decode("latin-1") or "/"))
        self.transport.close()

    def end(self) -> None:
        self.transport.close()

    def _is_answerable(self) -> bool:
        """Whether nothing else is being said, or about to be, on this connection."""
        if self.pipeline:
            return False
        if self.cycle is None or self.cycle.response_complete:
            return self._part is _Part.HEAD
        return self._part is _Part.BODY and not self.cycle.response_started

    def on_response_complete(self) -> None:
        if self._waits:
            self._go_on()  # without room: nobody will read the body
        if self.transport.is_closing():
            return
        self.flow.resume_reading()
        if self.pipeline:
            self._start_asgi_task(*self.pipeline.pop())
        elif self._part is _Part.NOTHING:
            self._gate.move(self, self._gate.idle)

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: ASGI3Application) -> None:
        task = self.loop.create_task(cycle.run_asgi(app))
        task.add_done_callback(functools.partial(self._answered, cycle))
        self.tasks.add(task)

    def _answered(self, cycle: RequestResponseCycle, task: asyncio.Task[None]) -> None:
        self.tasks.discard(task)
        if self._held:
            self._release(cycle)

    def _release(self, cycle: RequestResponseCycle) -> None:
        self._gate.room.give_back(self, self._held.pop(cycle, 0))

    # --- Room for a body ----------------------------------------------------------------------

    def _hold(self) -> bool:
        """Whether there is room for what has come."""
        amount = self.body_received - self._held.get(self.cycle, 0)
        if not self._gate.room.take(self, amount):
            return False
        self._held[self.cycle] = self.body_received
        return True

    def _wait(self) -> bool:
        """For room, which is true; raises Refused when too many do."""
        if not self._gate.room.wait(self):
            raise Refused(refusal.MANY_BYTES)
        self._line.hold()
        return True

    def goes_on(self) -> bool:
        if not self._hold():
            return False
        self.last = self.loop.time()
        self._go_on()
        return True

    def _go_on(self) -> None:
        withheld, is_whole = self._withheld, self._is_whole
        self._stop_waiting()
        for body in withheld:
            super().on_body(body)
        if is_whole:
            super().on_message_complete()
            self._arrived(_Part.NOTHING)

    def _stop_waiting(self) -> None:
        if self._waits:
            self._waits, self._is_whole, self._withheld = False, False, []
            self._gate.room.leave(self)
            self._line.let_go()
