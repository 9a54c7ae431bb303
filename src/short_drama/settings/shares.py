"""How much each owner may have of what all share."""

from typing import Annotated

from pydantic import Field

from short_drama.settings.parts import Group, Usd

_Most = Annotated[int, Field(ge=0)]


class ShareSettings(Group):
    """Caps of each owner; 0 is no limit."""

    owner_requests_per_second: _Most = 0
    """That each process of orchestrators answers, over ten seconds; more are refused."""
    owner_pending_tasks: _Most = 0
    """Tasks of a lane that may wait or run; more are refused."""
    owner_running_tasks: _Most = 0
    """Tasks of a lane that adapters may hold at a time; more wait for their turn."""
    owner_uploads_mib: _Most = 0
    """MiB that uploads may take on one machine; more are refused."""
    owner_budget_per_day_usd: Usd | None = None
    """What providers may be paid in a day for tasks of whoever has signed in."""
