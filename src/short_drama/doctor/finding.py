"""What a check has found."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum


class Verdict(StrEnum):
    """From well to ill; what does not apply says nothing either way."""

    NOT_APPLICABLE = "not applicable"
    OK = "ok"
    WARNING = "warning"
    WRONG = "wrong"


_ORDER = list(Verdict)


@dataclass(frozen=True, slots=True)
class Finding:
    """`found`: a short sentence for a person; `do`: what helps, where something is not well;
    `parts`: of one that is made of several."""

    verdict: Verdict
    found: str
    do: str | None = None
    parts: "tuple[Finding, ...]" = ()


def ok(found: str) -> Finding:
    return Finding(Verdict.OK, found)


def warning(found: str, do: str) -> Finding:
    return Finding(Verdict.WARNING, found, do)


def wrong(found: str, do: str) -> Finding:
    return Finding(Verdict.WRONG, found, do)


def not_applicable(why: str) -> Finding:
    return Finding(Verdict.NOT_APPLICABLE, why)


def together(findings: Iterable[Finding], *, otherwise: str) -> Finding:
    """The faults of one check as one finding, the worst first; ok where there are none."""
    ill = (each for each in findings if each.verdict in (Verdict.WARNING, Verdict.WRONG))
    faults = sorted(ill, key=lambda each: _ORDER.index(each.verdict), reverse=True)
    if len(faults) < 2:
        return faults[0] if faults else ok(otherwise)
    dos = dict.fromkeys(each.do for each in faults if each.do)
    found = "; ".join(each.found for each in faults)
    return Finding(faults[0].verdict, found, " ".join(dos), tuple(faults))
