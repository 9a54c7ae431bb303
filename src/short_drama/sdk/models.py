"""The shapes of the public HTTP API, as a client reads them.

Members that a later server adds are kept, not refused.
"""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

Status = Literal["pending", "processing", "completed", "failed", "cancelled"]


class Shape(BaseModel):
    model_config = ConfigDict(extra="allow", frozen=True, defer_build=True)


class Urls(Shape):
    self: str
    events: str
    cancel: str
    retry: str | None = None


class LaneTrouble(Shape):
    """Why a task's lane (`name`: gpu or cpu) does not go on with tasks of its kind, and since when
    (Unix seconds, null where nobody knows). They wait, which costs nothing; `starting`: only for
    its engine; `paused`: until a person does what `fix` says; `unavailable`: until a worker, or its
    service, runs again."""

    name: str
    state: Literal["starting", "paused", "unavailable"]
    since: float | None = None
    reason: str | None = None
    fix: str | None = None


class Accepted(Shape):
    """The answer to a submit. `lane`: why it will have to wait for a while, if it will."""

    task_id: str
    status: Status
    message: str
    lane: LaneTrouble | None = None
    urls: Urls


class TaskError(Shape):
    """Why a task failed: for programs (`code`, `retryable`, `field`) and people."""

    code: str
    message: str
    retryable: bool = False
    field: str | None = None
    fix: str | None = None


class WaitingFor(Shape):
    """What a task waits for, which costs it nothing; `until`: when it is tried again, null once it
    is in the queue for that."""

    code: str
    message: str
    fix: str | None = None
    until: float | None = None


class Stages(Shape):
    """Seconds in all attempts; once the task has ended, they add up to `total_seconds`.

    `queued`: from the submit to the first claim. `waiting`: between attempts, and `waiting_for` its
    parts by the code of what it waited for (`retry`: for its next turn). `preparing`: inputs are
    fetched and checked. `in_lane`: inside the API service, behind others. `engine`: in the engine,
    in attempts that failed as well. `publishing`: the result is encoded and stored. `finishing`:
    the rest, null until the end: hand-overs, the last writes, what was lost with a worker.
    """

    queued: float
    waiting: float
    waiting_for: dict[str, float] = {}
    preparing: float
    in_lane: float
    engine: float
    publishing: float
    finishing: float | None = None


class Timings(Shape):
    """Seconds. Queued: in which it waited for others, wherever it waited. Running: the rest.
    Engine: the engine's own time, in the attempt that succeeded, or if none did, in all. Overhead:
    what of running that is not. Stages are null before the first claim, and in old records."""

    queued_seconds: float | None = None
    running_seconds: float | None = None
    engine_seconds: float | None = None
    total_seconds: float | None = None
    overhead_seconds: float | None = None
    stages: Stages | None = None


class PictureSize(Shape):
    """In pixels."""

    width: int
    height: int


class ResultFacts(PictureSize):
    bytes: int


class WebhookTry(Shape):
    """One try to tell an endpoint; `status` is null where it gave no answer."""

    at: float
    status: int | None = None
    reason: str | None = None
    seconds: float


class NotificationView(Shape):
    """What an endpoint is told of a task's end, and what became of that. `state`: `waiting` for its
    next try, at `due_at`; `delivered`; or `given_up`."""

    webhook_id: str
    event: str
    state: Literal["waiting", "delivered", "given_up"]
    tries: int
    due_at: float | None = None
    delivered_at: float | None = None
    log: list[WebhookTry] = []


class Origin(Shape):
    """A task whose result went in, and the field that it went into."""

    task_id: str
    field: str


class TaskView(Shape):
    """A task. Times are Unix seconds.

    `queue_position` (1 is next) and `eta_seconds` (until it is done, about) are those of a task
    that waits, be it pending or `processing` and held by a service whose engine is busy with
    others: its `stage` is then `queued`. `started_at` is when its current or last attempt was
    taken up. While its `lane` is not null, nobody can say how long it will be: `eta_seconds` is
    null.
    """

    task_id: str
    status: Status
    kind: str
    job_type: str
    result_url: str | None = None
    error_message: str | None = None
    error: TaskError | None = None
    created_at: float
    updated_at: float
    version: int
    request: dict[str, Any]
    sources: dict[str, str] = {}
    inputs: dict[str, PictureSize] = {}
    """The size of each image, by its field."""
    derived_from: list[Origin] = []
    labels: dict[str, str] = {}
    characters: dict[str, str] = {}
    """Whose faces go into it, by name, each with the id of the consent it was accepted under."""
    purged: dict[str, Any] | None = None
    """What of it was deleted after a consent was revoked: `at`, `by`, and `deleted`, by `key` and
    `sha256`."""
    waiting_for: WaitingFor | None = None
    lane: LaneTrouble | None = None
    stage: str | None = None
    progress: float | None = None
    preview: str | None = None
    """The unfinished picture as a data URL, where previews are switched on."""
    attempts: int = 0
    started_at: float | None = None
    api_job_id: str | None = None
    queue_position: int | None = None
    eta_seconds: float | None = None
    deadline: float | None = None
    deleted_at: float | None = None
    """Since when it is hidden from lists; it may be restored for a while."""
    result: ResultFacts | None = None
    engine: str | None = None
    provenance: dict[str, Any] | None = None
    """How the result was made. Of every result: `engine`, `result_key`, `sha256` of its bytes,
    `inputs` (by field: `sha256`, and whether it had a `manifest`), `manifest` (who signed the
    result's, null if nobody did), `provider_requests`, `consent`, `characters`; else what the
    engine tells."""
    trace_id: str | None = None
    timings: Timings = Timings()
    cost: dict[str, Any] | None = None
    notifications: list[NotificationView] = []
    urls: Urls

    @property
    def ended(self) -> bool:
        return self.status in ("completed", "failed", "cancelled")


class TaskPage(Shape):
    """`left_out`: how many more there are in this stretch that the service cannot read, for they
    are of a newer release."""

    tasks: list[TaskView]
    next_cursor: str | None = None
    left_out: int = 0


class TaskCountView(Shape):
    """`at_least`: there may be more, for nobody has looked at all of them."""

    count: int
    at_least: bool


class AssetView(Shape):
    """An upload. `image_url` is what a task's image fields take."""

    key: str
    image_url: str
    url: str
    width: int
    height: int
    sha256: str


class ManifestOrigin(Shape):
    """A picture that went into another, as that one's manifest tells. `manifest`: the id of its
    own, null if it had none; `state`: what that was when it went in."""

    name: str
    relationship: str
    manifest: str | None = None
    state: str


class ManifestReading(Shape):
    """What an image's C2PA manifest says, and whether to believe it.

    `state`: `valid` is as this installation signed it; `untrusted` is as somebody else signed it;
    `changed` is not as it was signed; `invalid` was wrong from the start, for `reasons`; `none`;
    `unreadable`; `unknown` where the service cannot read manifests. All else is only a claim unless
    it is `valid`.
    """

    state: Literal["valid", "untrusted", "changed", "invalid", "none", "unreadable", "unknown"]
    reasons: list[str] = []
    manifest: str | None = None
    issuer: str = ""
    signer: str = ""
    generator: str = ""
    source: str = ""
    facts: dict[str, str] = {}
    ingredients: list[ManifestOrigin] = []


class VerifiedTask(Shape):
    """`is_result`: whether these are the very bytes that the task has made."""

    task_id: str
    kind: str
    status: Status
    is_result: bool
    url: str


class Verification(Shape):
    """Where an image comes from. `task`: the one of yours that it names. `label`: what its XMP says
    of a machine's hand in it."""

    content_type: str
    sha256: str
    label: dict[str, Any] | None = None
    manifest: ManifestReading
    task: VerifiedTask | None = None


class DirectUploadView(Shape):
    """A form that puts an image straight into the bucket.

    Post `fields`, in their order, and then the part `file` to `url` as multipart/form-data before
    `expires_at` (Unix seconds); then use `image_url` in a task. The image is checked when a task
    refers to it.
    """

    image_url: str
    url: str
    fields: dict[str, str]
    max_bytes: int
    expires_at: float


class TicketView(Shape):
    """For a task's /events?ticket=, until `expires_at` (Unix seconds)."""

    ticket: str
    expires_at: float


class AuditView(Shape):
    """Who did what. `at`: Unix seconds; `origin`: a client's address, or `cli:user@host`; `number`
    and digests where lines are in order: see docs/audit.md."""

    at: float
    action: str
    outcome: str
    owner: str = ""
    key_id: str | None = None
    origin: str = ""
    target: str = ""
    about: str = ""
    until: int | None = None
    number: int | None = None
    before: str | None = None
    digest: str | None = None


class AuditPage(Shape):
    """A page may be short, even empty, and have a successor."""

    lines: list[AuditView]
    next_cursor: str | None = None


class JobAccepted(Shape):
    job_id: str
    status: Status
    version: int


class JobView(Shape):
    """One run inside an API service. `queue_position` and `eta_seconds` are those of a job that has
    not begun; `queued_seconds`: for how long it waited, and `stage_seconds`: what all its time was
    spent on (preparing, in_lane, engine, publishing), since its latest attempt asked for it."""

    job_id: str
    kind: str
    status: Status
    stage: str
    progress: float
    preview: str | None = None
    waiting_for: TaskError | None = None
    version: int
    queue_position: int | None = None
    eta_seconds: float | None = None
    queued_seconds: float | None = None
    stage_seconds: dict[str, float] = {}
    result_url: str | None = None
    result_key: str | None = None
    error: TaskError | None = None
    engine: str | None = None
    engine_seconds: float | None = None
    details: dict[str, Any] | None = None
    cost: dict[str, Any] | None = None
    result: ResultFacts | None = None


class Problem(Shape):
    """An RFC 9457 problem document."""

    type: str
    title: str
    status: int
    detail: str
    instance: str
    code: str
    retryable: bool
    field: str | None = None
    fix: str | None = None
    errors: list[dict[str, str]] | None = None
