"""The shapes of shots and picks, as a client reads them."""

from short_drama.sdk.models import Shape, Status


class TakeView(Shape):
    """A task of a shot. `take` is its label."""

    task_id: str
    kind: str
    status: Status
    take: str | None = None
    result_url: str | None = None
    created_at: float


class ChoiceView(Shape):
    """What somebody chose for a shot, at a time in Unix seconds: a task's result, a picture, or
    neither, which took the pick back. `by`: the id of an API key."""

    task_id: str | None = None
    asset_key: str | None = None
    note: str | None = None
    by: str | None = None
    at: float


class PickView(ChoiceView):
    """`result_url`: null when the picture is no longer there."""

    result_url: str | None = None


class ShotView(Shape):
    """A shot, as its tasks' labels name it; what they do not say is empty. `name`: for files.
    `takes`: the newest 50, counted in `counts` by their status."""

    project: str
    episode: str
    scene: str
    shot: str
    name: str
    counts: dict[str, int]
    takes: list[TakeView]
    has_more_takes: bool = False
    pick: PickView | None = None
    history: list[ChoiceView]


class ShotList(Shape):
    shots: list[ShotView]
    next_cursor: str | None = None


class PickedView(Shape):
    """`cancelled`: takes that waited, and are not needed any more."""

    shot: ShotView
    cancelled: list[str]
