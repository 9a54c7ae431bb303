"""Say once that something is wrong, now and then that it still is, and once that it is over.

Whoever reaches a backend complains here of what was refused, so that nobody who hears of it need
log it again; and asks here what is refused at the moment, to be unready meanwhile.
"""

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from short_drama.domain.errors import ShortDramaError, Unavailable

log = logging.getLogger(__name__)
log.addHandler(logging.NullHandler())  # commands that set no logging up say it themselves

Part = Literal["queues", "dead letters", "tasks", "assets", "records"]
"""Of a backend. Nobody is unready for single records that cannot be read."""
Scope = tuple[str, ...]
"""What an answer has to be about to end a complaint: the names of a call, the widest first. The
complaint about an account, (), ends with any answer."""

_PAUSES = 60.0, 600.0
"""Seconds before it is said again: the first time, and at most."""
_REMEMBERED = 60.0
"""Seconds without another refusal after which nobody is unready for it any more, and whatever was
refused is tried. What waits for it is tried again every 10 s anyway."""
_BLIP = 5.0
"""Seconds for which time may take to mend something before anybody is unready."""


@dataclass(frozen=True, slots=True, kw_only=True)
class About:
    """`cause` names the kind of refusal; `lasting`: it needs a person."""

    part: Part
    cause: str
    scope: Scope = ()
    lasting: bool = True


@dataclass(slots=True)
class _Complaint:
    about: About
    error: ShortDramaError
    since: float
    last: float
    next_word: float
    pause: float
    times: int = 0
    over: bool = False
    said: bool = False
    """Whether there is a word of it in the log that its end answers."""

    def unready_at(self, now: float) -> bool:
        if self.over or now > self.last + _REMEMBERED:
            return False
        return self.about.lasting or self.last - self.since >= _BLIP


class Complaints:
    """One process's about one backend; from any thread. `clock` counts seconds."""

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._open: dict[About, _Complaint] = {}

    def refused(self, error: ShortDramaError, about: About) -> None:
        now = self._clock()
        complaint = self._open.get(about)
        if complaint is None or (complaint.over and now >= complaint.next_word):
            complaint = _Complaint(about, error, now, now, now, _PAUSES[0])
            self._open[about] = complaint
        elif complaint.over:  # it comes and goes: said already
            complaint.over, complaint.since = False, now
        complaint.error, complaint.last = error, now
        complaint.times += 1
        if now >= complaint.next_word:
            self._say(complaint)
            complaint.next_word = now + complaint.pause
            complaint.pause = min(2 * complaint.pause, _PAUSES[1])

    def answered(self, *names: str) -> None:
        """A call of these names, the widest first, was answered."""
        if not self._open:
            return
        now = self._clock()
        for about, complaint in list(self._open.items()):
            if names[: len(about.scope)] != about.scope:
                continue
            if not complaint.over:
                complaint.over = True
                self._say_over(complaint)
            elif now >= complaint.next_word:
                self._open.pop(about, None)

    def trouble(self, *parts: Part) -> Unavailable | None:
        """What is refused now in one of these parts of the backend, for the longest."""
        now = self._clock()
        found = [
            one for one in self._open.values() if one.about.part in parts and one.unready_at(now)
        ]
        if not found:
            return None
        error = min(found, key=lambda one: one.since).error
        return Unavailable(error.detail, fix=error.fix)

    def _say(self, complaint: _Complaint) -> None:
        level = logging.ERROR if complaint.about.lasting else logging.WARNING
        words = " ".join(filter(None, (_sentence(complaint.error.detail), complaint.error.fix)))
        if complaint.times > 1:
            words = f"still, after {complaint.times} tries: {words}"
        log.log(level, "%s", words)
        complaint.said = True

    def _say_over(self, complaint: _Complaint) -> None:
        if complaint.said:
            seconds = self._clock() - complaint.since
            log.warning(
                "over after %.0f s and %d tries: %s",
                seconds, complaint.times, complaint.error.detail,
            )  # fmt: skip
            complaint.said = False


def _sentence(words: str) -> str:
    return words if words.endswith((".", "!", "?")) else f"{words}."
