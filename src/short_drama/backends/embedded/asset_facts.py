"""What is kept beside an asset's bytes: what they are, and how to notice that they have changed."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Self


@dataclass(frozen=True, slots=True, kw_only=True)
class AssetFacts:
    """`size` in bytes, and their `sha256`: None of assets from before these were kept."""

    content_type: str
    metadata: Mapping[str, str]
    size: int | None = None
    sha256: str | None = None

    @classmethod
    def of(cls, data: bytes, *, content_type: str, metadata: Mapping[str, str]) -> Self:
        return cls(
            content_type=content_type,
            metadata=dict(metadata),
            size=len(data),
            sha256=hashlib.sha256(data).hexdigest(),
        )

    @classmethod
    def read(cls, text: bytes) -> Self:
        """Raises ValueError where they make no sense."""
        try:
            found = json.loads(text)
            metadata = {str(name): str(value) for name, value in found["metadata"].items()}
            known = {name: found.get(name) for name in ("size", "sha256")}
            return cls(content_type=str(found["content_type"]), metadata=metadata, **known)
        except (TypeError, LookupError, AttributeError, RecursionError) as error:
            raise ValueError("these are no facts") from error

    def written(self) -> bytes:
        return json.dumps(asdict(self)).encode()

    def may_fit(self, size: int) -> bool:
        """Whether bytes of that number can be those."""
        return self.size in (None, size)

    def fit(self, data: bytes) -> bool:
        """Whether these are the bytes."""
        known = self.sha256
        return self.may_fit(len(data)) and known in (None, hashlib.sha256(data).hexdigest())
