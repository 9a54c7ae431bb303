"""How long a process may take to stop."""

from collections.abc import Iterable

from short_drama.paid_api.providers.endpoint import patience
from short_drama.settings import Settings
from short_drama.wiring.components import Component

_MARGIN_SECONDS = 30.0
"""For keeping what came last: an answer, a picture, a record."""


def stop_seconds(settings: Settings, components: Iterable[Component]) -> float:
    """The longest: attempts have their time to finish, and a call that is paid for, when nobody has
    its answer, is waited for to its end."""
    longest = settings.drain_seconds + _MARGIN_SECONDS
    if Component.PAID_API in components:
        longest += patience(max(settings.qwen_read_seconds, settings.seedream_read_seconds))
    return longest
