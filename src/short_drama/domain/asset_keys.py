"""Where each kind of asset lies, and who may read it: the keys are the architecture's."""

import hmac
import re
import uuid
from datetime import UTC, datetime

UPLOADS_PREFIX = "uploads/"
PUBLIC_PREFIXES = ("images/", "seedream/", UPLOADS_PREFIX)
"""Shown to whoever knows the key."""
INCOMING_PREFIX = "incoming/"
"""Where clients put what they upload directly; taken in when a task refers to it."""
NOTES_PREFIX, REUSE_PREFIX = "jobs/", "reuse/"
FACES_PREFIX = "faces/"
"""Characters' own pictures: kept until they are purged, and shown to nobody but their owner."""
PRIVATE_PREFIXES = (INCOMING_PREFIX, NOTES_PREFIX, REUSE_PREFIX, FACES_PREFIX)

_PARTS = {
    "images/": "results",
    "seedream/": "results",
    UPLOADS_PREFIX: "uploads",
    INCOMING_PREFIX: "uploads",
    NOTES_PREFIX: "notes",
    REUSE_PREFIX: "notes",
    FACES_PREFIX: "faces",
}
_PUBLIC_KEY = re.compile(rf"(?:{'|'.join(PUBLIC_PREFIXES)})[\w.@+=/-]+", re.ASCII)
_ID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_PICTURES = uuid.UUID("3e0f6f0c-9d3b-4b0e-8a64-5f1d8a2c7b11")


def is_public(key: str) -> bool:
    return key.startswith(PUBLIC_PREFIXES)


def owner_in(key: str) -> str | None:
    """Whose upload, or character's face, that is; None for what is neither."""
    prefix, _, rest = key.partition("/")
    owner, slash, _ = rest.partition("/")
    return owner if f"{prefix}/" in (UPLOADS_PREFIX, FACES_PREFIX) and slash else None


def is_for_tasks(key: str) -> bool:
    """Whether a task may name it, if it is its owner's."""
    return key.startswith((*PUBLIC_PREFIXES, FACES_PREFIX))


def incoming_prefix(owner: str) -> str:
    """Where an owner's own direct uploads go."""
    return f"{INCOMING_PREFIX}{owner}/"


class UploadKeys:
    """Keys of uploads: the same bytes have the same key, which nobody can tell from the bytes. Else
    whoever has a picture could ask whether it has been uploaded, and read what was made of it.

    Args:
        secret: the installation's.
    """

    def __init__(self, secret: bytes) -> None:
        # A secret of their own: what is made of the installation's for tasks is told to clients.
        self._secret = hmac.digest(secret, b"upload keys", "sha256")

    def key(self, owner: str, sha256: str, extension: str) -> str:
        """`sha256`: of the bytes as they were sent."""
        name = hmac.digest(self._secret, f"{owner}\0{sha256}".encode(), "sha256").hex()
        return f"{UPLOADS_PREFIX}{owner}/{name}.{extension}"


def character_face(owner: str, name: str, sha256: str, extension: str) -> str:
    """`sha256`: of the bytes that are kept, so that the same picture is kept once."""
    return f"{FACES_PREFIX}{owner}/{name}/{sha256}.{extension}"


def comfyui_result(kind: str, job_id: str) -> str:
    return f"images/comfyui-results/{kind}/{job_id}.png"


def face_picture(created_at: float, picture_id: str) -> str:
    """A mask, or a still with another face. `created_at`: the task's, in Unix seconds;
    `picture_id`: the job's, or one of `mask_id`."""
    return f"images/face_swap/{_dated(created_at, picture_id)}.png"


def mask_id(job_id: str) -> str:
    """Of the mask that a job keeps beside its result."""
    return str(uuid.uuid5(_PICTURES, f"{job_id}/mask"))


def cast_id(job_id: str, number: int) -> str:
    """Of the frame of one face of several that a job swaps."""
    return str(uuid.uuid5(_PICTURES, f"{job_id}/face/{number}"))


def seedream_picture(created_at: float, job_id: str) -> str:
    return f"seedream/{_dated(created_at, job_id)}.jpg"


def paid_fact(task: str, step: str, number: int, what: str) -> str:
    """What is known of the call `number` of a paid step of a task."""
    return f"jobs/{task}/{step}.{number}.{what}.json"


def paid_bytes(task: str, step: str, number: int) -> str:
    """The picture that the answer to that call points to."""
    return f"jobs/{task}/{step}.{number}.picture"


def hosted_job(prompt_id: str) -> str:
    """Which job of a hosted engine's a prompt of ours is."""
    return f"jobs/{prompt_id}/hosted.json"


def reusable(request: str) -> str:
    """Which picture a request, by its fingerprint, has made before."""
    return f"reuse/{request}.json"


def part_of(key: str) -> str:
    """What an asset is, for whoever asks what takes the room."""
    return _PARTS.get(f"{key.partition('/')[0]}/", "other")


def named_in(text: str) -> set[str]:
    """Every key of a public asset that a text holds."""
    return set(_PUBLIC_KEY.findall(text))


def owners_of(key: str) -> set[str]:
    """Ids that a key is made of: of a task, of a job, of what was made of a job's."""
    return ids_in(key) | ({key.split("/")[1]} if key.startswith(NOTES_PREFIX) else set())


def is_id(text: str) -> bool:
    return _ID.fullmatch(text) is not None


def ids_in(text: str) -> set[str]:
    return set(_ID.findall(text))


def _dated(created_at: float, job_id: str) -> str:
    return f"{datetime.fromtimestamp(created_at, UTC):%Y%m%dT%H%M%SZ}_{job_id}"
