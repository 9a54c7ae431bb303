"""The ports. Their docstrings are promises; `tests/contract` holds every backend to them."""

from short_drama.ports.assets import (
    OWNED_BY,
    AssetExists,
    AssetInfo,
    AssetStore,
    DirectUploads,
    UploadForm,
    owned_by,
)
from short_drama.ports.audit import AuditLog, AuditPage
from short_drama.ports.characters import CharacterStore, StaleCharacter
from short_drama.ports.keys import KeyExists, KeyStore
from short_drama.ports.lanes import LaneNotices
from short_drama.ports.money import OverLimit, SpendLedger, StaleSpend
from short_drama.ports.queues import Delivery, QueueDepth, TaskQueue
from short_drama.ports.tasks import (
    Claim,
    ClaimingQueue,
    Outlook,
    StaleTask,
    TaskExists,
    TaskFilter,
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
    "Outlook",
    "OverLimit",
    "QueueDepth",
    "SpendLedger",
    "StaleCharacter",
    "StaleEndpoints",
    "StaleSpend",
    "StaleTask",
    "TaskExists",
    "TaskFilter",
    "TaskPage",
    "TaskQueue",
    "TaskStore",
    "UploadForm",
    "WebhookStore",
    "owned_by",
]
