"""What a picture says of its origin: its label and its manifest."""

import hashlib
import json
from dataclasses import dataclass, replace
from typing import Any

from short_drama.images import manifest
from short_drama.images.labels import Label, from_xmp
from short_drama.images.manifest import Reading
from short_drama.images.structure import MAX_BYTES_OF_OURS, open_image


@dataclass(frozen=True, slots=True, kw_only=True)
class Inspection:
    content_type: str
    sha256: str
    """Of the bytes."""
    label: Label | None
    manifest: Reading

    @property
    def task_id(self) -> str | None:
        """Of the task that is said to have made it."""
        told = self.manifest.facts.get("task_id") or (self.label.task_id if self.label else "")
        return told or None

    @property
    def is_ours(self) -> bool:
        """Whether it is certain that it is as this installation made it."""
        return self.manifest.state == "valid"

    def to_json(self) -> dict[str, Any]:
        return {
            "content_type": self.content_type,
            "sha256": self.sha256,
            "label": None if self.label is None else _label_view(self.label),
            "manifest": self.manifest.to_json(),
        }


def inspect(data: bytes, *, trusted: str | None = None) -> Inspection:
    """Takes a thread's time. `trusted`: the chain whose leaf is ours, in PEM. Raises ImageRejected
    for what is no picture of the three kinds."""
    found = seen(data)
    return replace(found, manifest=manifest.read(data, found.content_type, trusted=trusted))


def seen(data: bytes) -> Inspection:
    """As `inspect`, without looking into the manifest."""
    image, content_type = open_image(data, max_bytes=MAX_BYTES_OF_OURS)
    unread = Reading(state="unknown", reasons=(manifest.INSTALL,))
    return Inspection(
        content_type=content_type,
        sha256=hashlib.sha256(data).hexdigest(),
        label=from_xmp(image.info.get("xmp")),
        manifest=unread if manifest.may_hold(data) else Reading(state="none"),
    )


def _label_view(label: Label) -> dict[str, Any]:
    return {
        "source": label.source,
        "aigc": None if label.aigc is None else json.loads(label.aigc.to_json()),
        "engine": label.engine or None,
        "kind": label.kind or None,
        "job_id": label.job_id or None,
        "task_id": label.task_id or None,
    }
