"""The ports. Their docstrings are promises; `tests/contract` holds every backend to them."""

from short_drama.domain.task_filter import Order, TaskFilter
from short_drama.ports.assets import (
    OWNED_BY,
    AssetExists,
    AssetInfo,
    AssetStore,
    DirectUploads,
    UploadForm,
    made_by,
    owned_by,
)
from short_drama.ports.audit import AuditLog, AuditPage
from short_drama.ports.characters import CharacterStore, StaleCharacter
from short_drama.ports.keys import KeyExists, KeyStore
from short_drama.ports.lanes import LaneNotices
from short_drama.ports.money import OverLimit, SpendLedger, StaleSpend
from short_drama.ports.queues import Delivery, QueueDepth, TaskQueue
from short_drama.ports.shots import ShotPage, ShotStore, StalePicks
from short_drama.ports.tasks import (
    Claim,
    ClaimingQueue,
    Outlook,
    StaleTask,
    TaskCount,
    TaskExists,
    TaskPage,
    TaskStore,
)
from short_drama.ports.webhooks import StaleEndpoints, WebhookStore

__all__ = [
    "OWNED_BY",
    "AssetExists",
    "AssetInfo",
    "AssetStore",
    "AuditLog",
    "AuditPage",
    "CharacterStore",
    "Claim",
    "ClaimingQueue",
    "Delivery",
    "DirectUploads",
    "KeyExists",
    "KeyStore",
    "LaneNotices",
    "Order",
    "Outlook",
    "OverLimit",
    "QueueDepth",
    "ShotPage",
    "ShotStore",
    "SpendLedger",
    "StaleCharacter",
    "StaleEndpoints",
    "StalePicks",
    "StaleSpend",
    "StaleTask",
    "TaskCount",
    "TaskExists",
    "TaskFilter",
    "TaskPage",
    "TaskQueue",
    "TaskStore",
    "UploadForm",
    "WebhookStore",
    "made_by",
    "owned_by",
]
