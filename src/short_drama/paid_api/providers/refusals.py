"""What a call that failed means to us, in what both providers have in common.

A meaning is made of a provider's name and its refusal. Each provider has a table of its own codes;
a refusal without a code is not the provider's word but that of something on the way, and is judged
by its status alone: a 4xx was stopped there and is not charged, and behind a 5xx anything may have
happened.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final

from short_drama.domain.errors import (
    ChargeUnknown,
    ContentRefused,
    EngineFailed,
    EngineUnavailable,
    ImageRejected,
    ProviderFailed,
    ProviderPaused,
    ShortDramaError,
    Throttled,
)
from short_drama.paid_api.providers.calls import CallNotSent, CallRefused, CallUnanswered
from short_drama.paid_api.providers.words import reference, said

Meaning = Callable[[str, CallRefused], ShortDramaError]
FailedCall = CallRefused | CallNotSent | CallUnanswered


def without_refusal(name: str, error: CallNotSent | CallUnanswered) -> ShortDramaError:
    if isinstance(error, CallNotSent):
        return EngineUnavailable(f"{name} cannot be reached ({error})")
    return ChargeUnknown(f"{name} gave no answer and may have charged for the call ({error})")


def by_status(refused: CallRefused, own: Mapping[int, Meaning]) -> Meaning:
    """Of a refusal whose code says nothing. `own` is what a provider's statuses mean that the
    shared table does not have."""
    status = refused.status
    if not refused.code and (meaning := _ON_THE_WAY.get(status)) is not None:
        return meaning
    if status in own:
        return own[status]
    if 300 <= status < 400:
        return _REDIRECT
    if status < 500:
        return ours
    return failed if refused.code else outcome_unknown


@dataclass(frozen=True, slots=True)
class Content:
    """The artist's matter. `field` is the request's that is to blame."""

    what: str
    fix: str
    field: str | None = None

    def __call__(self, name: str, refused: CallRefused) -> ShortDramaError:
        detail = f"{name} refused the content: {self.what} {reference(refused)}"
        return ContentRefused(detail, field=self.field, fix=self.fix)


@dataclass(frozen=True, slots=True)
class Operator:
    """An account or a setting: every call will fail until somebody acts."""

    what: str
    fix: str

    def __call__(self, name: str, refused: CallRefused) -> ShortDramaError:
        told = "" if refused.code else said(refused)
        detail = f"{name} takes no calls: {self.what}{told} {reference(refused)}"
        return ProviderPaused(detail, fix=self.fix.format(name=name))


@dataclass(frozen=True, slots=True)
class Picture:
    """It is the picture that is not taken."""

    which: str
    fix: str

    def __call__(self, name: str, refused: CallRefused) -> ShortDramaError:
        detail = f"{name} does not take {self.which}{said(refused)} {reference(refused)}"
        return ImageRejected(detail, fix=self.fix)


def ours(name: str, refused: CallRefused) -> ShortDramaError:
    return EngineFailed(f"{name} does not take our call{said(refused)} {reference(refused)}")


def slow_down(name: str, refused: CallRefused) -> ShortDramaError:
    return Throttled(f"{name} asks to slow down {reference(refused)}", after=refused.after)


def failed(name: str, refused: CallRefused) -> ShortDramaError:
    detail = f"{name} failed{said(refused)} {reference(refused)}"
    return ProviderFailed(detail, after=refused.after)


def made_nothing(name: str, refused: CallRefused) -> ShortDramaError:
    """An answer that has neither a result nor a known code."""
    return ProviderFailed(f"{name} made nothing{said(refused)} {reference(refused)}")


def outcome_unknown(name: str, refused: CallRefused) -> ShortDramaError:
    """A gateway answered: what stands behind it may have gone on."""
    return ChargeUnknown(
        f"{name} gave no answer, only its gateway did, and the call may be charged"
        f"{said(refused)} {reference(refused)}",
        after=refused.after,
    )


_REDIRECT: Final = Operator(
    "its address answers with a redirect, which is not followed",
    "Check {name}'s base URL: the one that is set leads somewhere else.",
)
_FORBIDDEN: Final = Operator(
    "the call is forbidden, not by the provider itself",
    "Look at the proxy or the firewall on the way; else at the API key and {name}'s base URL.",
)
_ADDRESS: Final = Operator(
    "there is nothing at its address that takes calls", "Check {name}'s base URL."
)
_PROXY: Final = Operator(
    "the proxy asks for a password",
    "Give it in HTTPS_PROXY or HTTP_PROXY, as user:password@ before the proxy's host.",
)
_TOO_LARGE: Final = Picture(
    "a call so large", "Use a smaller picture, or let the operator raise the limit of the proxy."
)
_ON_THE_WAY: Final[Mapping[int, Meaning]] = {
    HTTPStatus.FORBIDDEN: _FORBIDDEN,
    HTTPStatus.NOT_FOUND: _ADDRESS,
    HTTPStatus.METHOD_NOT_ALLOWED: _ADDRESS,
    HTTPStatus.PROXY_AUTHENTICATION_REQUIRED: _PROXY,
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: _TOO_LARGE,
    HTTPStatus.MISDIRECTED_REQUEST: _ADDRESS,
}
"""Of answers without the provider's code."""
