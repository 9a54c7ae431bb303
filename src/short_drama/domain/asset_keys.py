"""Where each kind of asset lies, and who may read it."""

PUBLIC_PREFIXES = ("images/", "seedream/", "uploads/")
"""Shown to whoever knows the key; everything else in the store is private."""
INCOMING_PREFIX = "incoming/"
"""Where clients put what they upload directly; taken in when a task refers to it."""


def incoming_prefix(owner: str) -> str:
    """Where an owner's own direct uploads go."""
    return f"{INCOMING_PREFIX}{owner}/"
