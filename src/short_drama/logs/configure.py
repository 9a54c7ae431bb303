"""Logging of a whole process, set up once."""

import json
import logging
import os
import sys
import threading
import types
import warnings
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Literal

from short_drama.logs import text
from short_drama.logs.formatting import LineFormatter
from short_drama.logs.outlets import FileSink, Outlet, Sink, StreamSink
from short_drama.logs.redaction import Redactor

Form = Literal["auto", "json", "text"]

_OURS = "short_drama"
_READERS = ("python_multipart", "PIL")
"""Libraries that warn of what is wrong with forms and pictures."""

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class LogOptions:
    """`level`: of our own lines; others' are told from WARNING on. `folder`: for files of lines in
    JSON beside stderr; None for none. `secrets`: values that must not come out."""

    component: str
    level: str = "info"
    form: Form = "auto"
    folder: Path | None = None
    secrets: Iterable[str] = ()


class LineHandler(logging.Handler):
    """Makes a line of each record and hands it to every outlet. Never raises, never waits."""

    def __init__(self, sinks: Iterable[Sink]) -> None:
        super().__init__()
        self._outlets = [Outlet(sink) for sink in sinks]

    def createLock(self) -> None:  # noqa: N802 - the standard library's name
        """None: nothing here needs one, and closing would keep the outlets from telling of it."""
        self.lock = None

    def emit(self, record: logging.LogRecord) -> None:
        try:
            line = self.format(record)
        except Exception as error:  # its text may be the secret that was to be taken out
            line = json.dumps(
                {
                    "level": "error",
                    "event": "a line could not be written",
                    "logger": record.name,
                    "line": record.lineno,
                    "reason": type(error).__name__,
                }
            )
        for outlet in self._outlets:
            outlet.put(line)

    def close(self) -> None:
        for outlet in reversed(self._outlets):  # stderr is last to hear of the others' trouble
            outlet.close()
        super().close()


def configure(options: LogOptions) -> None:
    """For the rest of the process, uncaught errors and warnings included."""
    sinks: list[Sink] = [StreamSink(_form(options.form))]
    if options.folder is not None:
        sinks.append(FileSink(options.folder / f"{options.component}.jsonl"))
    handler = LineHandler(sinks)
    handler.setFormatter(
        LineFormatter(
            Redactor(options.secrets), component=options.component, version=version("short-drama")
        )
    )
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    logging.getLogger(_OURS).setLevel(options.level.upper())
    logging.captureWarnings(capture=True)
    # Of strangers' pictures, as many lines as a picture has tags, and nobody here can mend it.
    warnings.filterwarnings("ignore", module=r"PIL\.")
    # And as many as strangers send; what is wrong with them is what they are answered.
    for reader in _READERS:
        logging.getLogger(reader).setLevel(logging.ERROR)
    sys.excepthook = _uncaught
    threading.excepthook = lambda found: _uncaught(
        found.exc_type, found.exc_value or found.exc_type(), found.exc_traceback
    )


def _form(form: Form) -> Callable[[str], str]:
    """What lines look like on stderr."""
    if form == "text" or (form == "auto" and os.isatty(2)):
        return lambda line: text.line(json.loads(line))
    return str


def _uncaught(
    kind: type[BaseException], error: BaseException, trace: types.TracebackType | None
) -> None:
    if issubclass(kind, KeyboardInterrupt):
        return
    log.critical("stopped by an unexpected error", exc_info=(kind, error, trace))
