"""How often a task is tried, what of its tries counts, and what a try is called.

A try is an attempt: one job of one API service.
"""

import uuid
from collections.abc import Mapping
from typing import Any

MAX_ATTEMPTS = 4
"""Attempts that count before a task fails."""
MAX_RECEIVES = 10
"""Of a message, in every queue, before it is a dead letter: attempts end first."""
MAX_LOSSES = 4 * MAX_ATTEMPTS
"""How often a task may be lost where it only waited, as far as is known, or where it may have been
paid for, before that counts."""
WAITING = "queued"
"""The stage of a job that nothing computes for."""
PREPARING = "preparing"
"""The stage of a job whose inputs are fetched and checked; no engine has begun on it."""
MAX_DEAD_LETTERS = 2
"""How often a task with attempts left may come back from the dead-letter queue."""
_JOBS = uuid.UUID("7f9cbbd2-3f0e-4c1b-9a55-6f2f7a1c8f10")


def job_id_for(key: str, attempt: int) -> str:
    """A job's id, known before it is accepted: one per idempotency key and attempt."""
    return str(uuid.uuid5(_JOBS, f"{key}/{attempt}"))


def is_spared(stage: str | None, cost: Mapping[str, Any] | None) -> bool:
    """Whether an attempt does not count that ends without a word in this stage, when so much has
    been paid, or may have been: a call may be answered after its task was last heard of."""
    paid = cost is not None and (cost.get("usd") or cost.get("maybe_usd"))
    return stage == WAITING or bool(paid)
