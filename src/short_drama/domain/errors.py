"""Everything that can go wrong, sorted by who can fix it.

* `UserError`: the caller, by changing the request.
* `RetryableError`: time; the same attempt may work later.
* `PermanentError`: us or a provider; no retry helps.

The families are the whole retry policy; leaves only add words. HTTP does not appear here:
`web.problems` owns the statuses.
"""

from collections.abc import Mapping, Sequence
from typing import ClassVar, Self


class ShortDramaError(Exception):
    """Root. Raise a leaf, catch a family.

    Args:
        detail: one sentence for the person who reads it: what is wrong with which value.
        field: the request field at fault, dotted (`labels.episode`), where there is one.
        fix: one sentence: what to do instead.
    """

    code: ClassVar[str] = "error"
    title: ClassVar[str] = "Unexpected error"
    retryable: ClassVar[bool] = False

    def __init__(self, detail: str, *, field: str | None = None, fix: str | None = None) -> None:
        super().__init__(detail)
        self.detail = detail
        self.field = field
        self.fix = fix

    def about(self, field: str) -> Self:
        """The same error, naming the field it concerns unless it already names one."""
        self.field = self.field or field
        return self


class UserError(ShortDramaError):
    """The caller can fix this."""


class RetryableError(ShortDramaError):
    """The same attempt may succeed later.

    Args:
        after: seconds to wait first, when whoever refused said so.
    """

    retryable = True
    counts: ClassVar[bool] = True
    """Whether an attempt that ends so counts. Where it does not, the task waits for as long as what
    is wrong lasts, or until its deadline: only for what says nothing about the task itself."""

    def __init__(
        self,
        detail: str,
        *,
        field: str | None = None,
        fix: str | None = None,
        after: float | None = None,
    ) -> None:
        super().__init__(detail, field=field, fix=fix)
        self.after = after


class PermanentError(ShortDramaError):
    """No retry will help."""


# --- The caller ---------------------------------------------------------------------------


class InvalidRequest(UserError):
    """`errors` lists the faults as `{"field": ..., "message": ...}`, the first one included."""

    code, title = "invalid_request", "The request is not valid"

    def __init__(
        self,
        detail: str,
        *,
        field: str | None = None,
        fix: str | None = None,
        errors: Sequence[Mapping[str, str]] = (),
    ) -> None:
        super().__init__(detail, field=field, fix=fix)
        self.errors = errors


class MalformedJson(UserError):
    code, title = "malformed_json", "The body is not JSON"


class UnsupportedMediaType(UserError):
    code, title = "unsupported_media_type", "The body has the wrong content type"


class BodyTooLarge(UserError):
    code, title = "body_too_large", "The body is too large"


class HeadTooLarge(UserError):
    code, title = "head_too_large", "The request's headers are too many or too large"


class UrlTooLong(UserError):
    code, title = "url_too_long", "The URL is too long"


class RequestTooSlow(UserError):
    code, title = "request_too_slow", "The request did not arrive in time"


class MalformedRequest(UserError):
    code, title = "malformed_request", "The request is not HTTP"


class RouteNotFound(UserError):
    code, title = "route_not_found", "There is nothing at this address"


class MethodNotAllowed(UserError):
    code, title = "method_not_allowed", "This address does not answer that method"


class HostRefused(UserError):
    code, title = "host_refused", "This service does not answer to that host name"


class OriginRefused(UserError):
    code, title = "origin_refused", "This service takes no orders from that page"


class KeyRefused(UserError):
    """Nobody has said who asks, or not so that it is believed."""

    code, title = "key_refused", "A valid API key is needed"


class ScopeMissing(UserError):
    code, title = "scope_missing", "The API key does not allow this"


class TaskNotFound(UserError):
    code, title = "task_not_found", "No such task"


class WebhookNotFound(UserError):
    code, title = "webhook_not_found", "No such webhook"


class CharacterNotFound(UserError):
    code, title = "character_not_found", "No such character"


class CharacterConflict(UserError):
    code, title = "character_conflict", "The character is in a state that does not allow this"


class ConsentMissing(UserError):
    """Nobody whose face it is has agreed to this, or not any more."""

    code, title = "consent_missing", "A face may be used only as its person agreed"


class JobNotFound(UserError):
    code, title = "job_not_found", "No such job"


class AssetNotFound(UserError):
    code, title = "asset_not_found", "No such asset"


class TaskConflict(UserError):
    code, title = "task_conflict", "The task is in a state that does not allow this"


class IdempotencyKeyReused(UserError):
    code, title = "idempotency_key_reused", "This Idempotency-Key was used with another body"


class UrlRefused(UserError):
    code, title = "url_refused", "This address may not be fetched"


class UrlUnreachable(UserError):
    code, title = "url_unreachable", "The address could not be fetched"


class ImageRejected(UserError):
    code, title = "image_rejected", "The bytes are not an image we accept"


class NoFaceFound(UserError):
    code, title = "no_face_found", "No face was found"


class FaceIndexOutOfRange(UserError):
    code, title = "face_index_out_of_range", "There is no face with this index"


class FaceUnclear(UserError):
    code, title = "face_unclear", "The face is too unclear to work on"


class MaskNotFound(UserError):
    code, title = "mask_not_found", "No black ellipse was found in the masked image"


class PromptUnsupported(UserError):
    code, title = "prompt_unsupported", "The local engine has no operation for this prompt"


class RequestUnsupported(UserError):
    code, title = "request_unsupported", "The engine in use cannot do this"


class ContentRefused(UserError):
    code, title = "content_refused", "The provider refuses this content"


class BlackPicture(UserError):
    code, title = "black_picture", "The settings give a picture that is black from edge to edge"


class BudgetExceeded(UserError):
    code, title = "budget_exceeded", "The budget does not allow this"


class DeadlineExceeded(UserError):
    code, title = "deadline_exceeded", "The task did not finish before its deadline"


# --- Time ---------------------------------------------------------------------------------


class Unavailable(RetryableError):
    """A store, a queue or a service is away or full."""

    code, title = "unavailable", "A part of the service is not reachable at the moment"
    counts = False


class Throttled(RetryableError):
    """Somebody asked us to slow down."""

    code, title = "throttled", "Too many requests at the moment"
    counts = False


class TooManyRequests(RetryableError):
    code, title = "too_many_requests", "You ask more often than you may"
    counts = False


class QueueFull(RetryableError):
    code, title = "queue_full", "Too many tasks are under way"


class EngineStarting(RetryableError):
    code, title = "engine_starting", "The engine is being started"
    counts = False


class EngineUnavailable(RetryableError):
    """The engine took none of the work."""

    code, title = "engine_unavailable", "The engine takes no work at the moment"
    counts = False


class EngineInterrupted(RetryableError):
    """The engine had begun."""

    code, title = "engine_interrupted", "The engine stopped before the work was done"


class EngineBroken(RetryableError):
    """Nothing runs on it any more until it is another process."""

    code, title = "engine_broken", "The engine's device has failed"


class EngineOutOfMemory(RetryableError):
    code, title = "engine_out_of_memory", "The engine ran out of memory"


class KindNotAvailable(RetryableError):
    """An operator has to act (a missing model, a switch)."""

    code, title = "kind_not_available", "This kind of task cannot be done at the moment"
    counts = False


class ProviderPaused(RetryableError):
    """An operator has to act (a key, an overdue bill)."""

    code, title = "provider_paused", "Work with this provider is paused"
    counts = False


class BudgetWaits(RetryableError):
    """An accepted task goes on with the next day's or month's budget; the attempt is not
    counted."""

    code, title = "budget_waits", "The budget allows this again tomorrow, or next month"
    counts = False


class ProviderFailed(RetryableError):
    """The provider answered that it failed; it charges nothing for that."""

    code, title = "provider_failed", "The provider failed"


class ChargeUnknown(RetryableError):
    """No answer came: the call may have been carried out and charged."""

    code, title = "charge_unknown", "The provider may have charged for a call without an answer"


class NewerFormat(RetryableError):
    """Something stored is of a release after this one, and left alone until this one is upgraded,
    or whoever can read it has done with it."""

    code, title = "newer_format", "A newer release has written this"
    counts = False


class LeaseLost(RetryableError):
    code, title = "lease_lost", "Another worker holds the task"


# --- Us or a provider ---------------------------------------------------------------------


class EngineNotReady(PermanentError):
    code, title = "engine_not_ready", "The engine is not set up"


class EngineFailed(PermanentError):
    code, title = "engine_failed", "The engine could not do the work"


class JobCancelled(PermanentError):
    code, title = "job_cancelled", "The job was cancelled in its API service"


class AttemptsExhausted(PermanentError):
    code, title = "attempts_exhausted", "Every attempt failed"


class DeadLetter(PermanentError):
    code, title = "dead_letter", "The task's message could not be delivered"


class StorageFull(PermanentError):
    """More than the owner of the installation allows; a person, or a day, makes room."""

    code, title = "storage_full", "There is no room for more uploads"


class InternalError(PermanentError):
    code, title = "internal_error", "Something went wrong on our side"


def leaves(base: type[ShortDramaError] = ShortDramaError) -> list[type[ShortDramaError]]:
    """Every error class that may be raised, in the order of this page."""
    found = base.__subclasses__()
    return [base] if not found else [leaf for child in found for leaf in leaves(child)]
