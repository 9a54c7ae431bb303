"""Whether our credentials hold: for /metrics."""

from __future__ import annotations

from typing import TYPE_CHECKING

from botocore.credentials import RefreshableCredentials
from botocore.exceptions import BotoCoreError

from short_drama import metrics

if TYPE_CHECKING:
    from aiobotocore.session import AioSession

_LEFT_SECONDS = 300
"""A role's are renewed from 15 minutes before their end on: what has so little left is not."""


async def look_at_credentials(session: AioSession) -> None:
    holds = None
    try:
        found: object = await session.get_credentials()
        if isinstance(found, RefreshableCredentials):
            holds = not found.refresh_needed(_LEFT_SECONDS)
        else:
            holds = found is not None
    except BotoCoreError:
        holds = False
    finally:
        metrics.AWS_CREDENTIALS.tell(holds)
