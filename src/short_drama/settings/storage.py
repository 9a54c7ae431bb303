"""How long things are kept, and how much of them."""

from typing import Annotated

from pydantic import Field

from short_drama.domain.lifetimes import USUAL
from short_drama.settings.parts import Group

_Days = Annotated[int, Field(ge=0, le=36_500)]


class StorageSettings(Group):
    """Days count from a task's end or its deletion, or from when a file was last needed; 0 is for
    ever."""

    keep_days: _Days = USUAL.tasks
    """Of tasks that have ended, and of what they made."""
    keep_uploads_days: _Days = USUAL.uploads
    """Of uploads that no task names; on AWS nobody knows which those are, see docs/storage.md."""
    keep_audit_days: _Days = USUAL.audit
    """Of the audit's lines: each says when it is written how long it is kept, for good."""
    deleted_keep_days: _Days = USUAL.deleted
    """Of tasks that were deleted, for as long as they may be restored."""
    uploads_mib: Annotated[int, Field(ge=0)] = 0
    """MiB that all uploads together may take on one machine; 0: as much as there is room for."""
